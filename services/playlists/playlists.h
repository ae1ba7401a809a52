/* SPDX-License-Identifier: Apache-2.0 */
/* The type Playlist (playlist.grafana.app). */
#ifndef SERVICES_PLAYLISTS_PLAYLISTS_H
#define SERVICES_PLAYLISTS_PLAYLISTS_H

#include <stdbool.h>

#include "base/str.h"

struct playlists;

/* Whether the text is a time to show something for: numbers with units (ms, s, m, h, d, w, M, y),
 * one after another, together more than nothing: "30s", "1h30m". */
bool playlists_is_interval(struct str s);

#endif
