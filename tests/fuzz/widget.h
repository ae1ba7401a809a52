/* SPDX-License-Identifier: Apache-2.0 */
/* A custom type with a selectable field, for targets that need one. */
#ifndef TESTS_FUZZ_WIDGET_H
#define TESTS_FUZZ_WIDGET_H

#include "resources/type.h"
#include "tests/fuzz/fuzz.h"

#define WIDGET                                                                                     \
    "{'metadata':{'name':'widgets.example.com'},'spec':{'group':'example.com','scope':'"           \
    "Namespaced',"                                                                                 \
    "'names':{'plural':'widgets','singular':'widget','kind':'Widget','listKind':'WidgetList'},"    \
    "'versions':[{'name':'v1','served':true,'storage':true,'selectableFields':[{'jsonPath':"       \
    "'.spec.color'}],'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':"   \
    "'object','properties':{'color':{'type':'string'}}}}}}}]}}"

/* Made once and kept. */
static inline struct type *widget(void)
{
    static struct type *t;
    if (!t) {
        struct arena a;
        arena_init(&a, 0);
        FUZZ_CHECK(type_create(fuzz_own_json(&a, WIDGET)->root, NULL, &t, NULL) == 0);
        arena_finish(&a);
    }
    return t;
}

#endif
