/* SPDX-License-Identifier: Apache-2.0 */
/* The controller that ends namespaces. Nothing calls it. */
#ifndef SERVICES_NAMESPACE_CONTROLLER_NAMESPACE_CONTROLLER_H
#define SERVICES_NAMESPACE_CONTROLLER_NAMESPACE_CONTROLLER_H

struct namespace_controller;

#endif
