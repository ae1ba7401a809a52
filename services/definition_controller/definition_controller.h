/* SPDX-License-Identifier: Apache-2.0 */
/* The controller that ends definitions. Nothing calls it. */
#ifndef SERVICES_DEFINITION_CONTROLLER_DEFINITION_CONTROLLER_H
#define SERVICES_DEFINITION_CONTROLLER_DEFINITION_CONTROLLER_H

struct definition_controller;

#endif
