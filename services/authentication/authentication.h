/* SPDX-License-Identifier: Apache-2.0 */
/* Who a client is: the authenticators for client certificates and for the tokens of a file, and the
 * reviews that tell. */
#ifndef SERVICES_AUTHENTICATION_AUTHENTICATION_H
#define SERVICES_AUTHENTICATION_AUTHENTICATION_H

struct authentication;

#endif
