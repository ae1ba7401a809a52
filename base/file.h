/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the file's bytes. ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE (over max). */
int file_read(const char *path, size_t max, struct buf *ret, struct err *err);
/* Writes a temporary file beside path, syncs it and renames it into place with the mode. ERR_IO, ERR_NO_SPACE. */
int file_write(const char *path, struct str bytes, mode_t mode, struct err *err);
/* Makes the directory and its parents. */
int file_mkdirs(const char *path, mode_t mode, struct err *err);

#endif
