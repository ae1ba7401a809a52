/* SPDX-License-Identifier: Apache-2.0 */
/* An example service: a reconciler from Greetings to ConfigMaps. Nothing calls it. */
#ifndef EXAMPLES_GREETER_GREETER_H
#define EXAMPLES_GREETER_GREETER_H

struct greeter;

#endif
