/* SPDX-License-Identifier: Apache-2.0 */
/* The three documents that clients of Grafana's app platform (gcx, its command line) look up before
 * they use the resource API. Other services call nothing here. */
#ifndef SERVICES_FRONTEND_H
#define SERVICES_FRONTEND_H

/* The level of Grafana's app platform that the served groups speak, which is also the lowest that
 * its clients accept. */
#define FRONTEND_LEVEL "12.0.0"

/* As /version names the Kubernetes level: the API's level in front, since clients compare that, and
 * behind the plus sign, where semantic versions keep what is not compared, whose build it is. */
#define FRONTEND_VERSION FRONTEND_LEVEL "+coracle-" CORACLE_VERSION

struct frontend;

#endif
