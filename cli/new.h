/* SPDX-License-Identifier: Apache-2.0 */
/* `coracle new service NAME`: writes the folder of a service that builds, is wired and served. */
#ifndef CLI_NEW_H
#define CLI_NEW_H

/* argv[0] is "new". Says on standard output what was written, on standard error what is wrong.
 * Returns the exit status: 0, 1 (it could not be done), 2 (the arguments are wrong). */
int new_command(int argc, char *const *argv);

#endif
