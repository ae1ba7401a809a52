/* SPDX-License-Identifier: Apache-2.0 */
/* Every cap that a client can reach, in one place. docs/limits.md explains each to users. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* ---- requests ---- */
#define LIMIT_BODY_BYTES (3u * 1024 * 1024)        /* a request's body, as the reference's 3 MiB */
#define LIMIT_BODIES_BYTES (256u * 1024 * 1024)    /* all bodies in memory together */
#define LIMIT_HEADER_BYTES (64u * 1024)            /* all headers of a request */
#define LIMIT_PATH_BYTES (8u * 1024)
#define LIMIT_QUERY_PARAMS 100
#define LIMIT_HEAD_MS (30 * 1000)                  /* from a request's first byte to the end of its head */
#define LIMIT_BODY_MS (5 * 60 * 1000)              /* and to the end of its body, however it trickles */
/* ---- connections ---- */
#define LIMIT_CONNECTIONS 65536                    /* in total; --max-connections */
#define LIMIT_CONNECTIONS_PEER 40000               /* of one address (IPv6: a /64); --max-connections-per-peer */
#define LIMIT_HANDSHAKES 2048                      /* at a time; the oldest makes room */
#define LIMIT_HANDSHAKE_MS (10 * 1000)
#define LIMIT_LINGER_MS (5 * 1000)                 /* for which what a refused peer still sends is read and dropped */
/* ---- JSON and YAML ---- */
#define LIMIT_DEPTH 200                            /* nested maps and lists */
#define LIMIT_YAML_ALIAS_BASE 10000                /* expanded nodes allowed: BASE + FACTOR * events read */
#define LIMIT_YAML_ALIAS_FACTOR 10
#define LIMIT_YAML_ALIAS_BYTES (4u * 1024 * 1024)  /* text that aliases repeat, and two bytes a node */
#define LIMIT_CAUSES 200                           /* field errors reported at once */
#define LIMIT_CAUSES_BYTES (1024u * 1024)          /* their text together (the first is always kept) */
#define LIMIT_UNKNOWN_FIELDS 1000                  /* unknown fields of one object that are told of */
#define LIMIT_UNKNOWN_BYTES (256u * 1024)          /* their paths together (the first is always told) */
#define LIMIT_WARNINGS 50                          /* Warning headers of one answer */
/* ---- objects ---- */
#define LIMIT_OBJECT_BYTES (3u * 1024 * 1024)      /* an object as stored */
#define LIMIT_ANNOTATIONS_BYTES (256u * 1024)      /* keys and values together, as the reference */
#define LIMIT_SECRET_BYTES (1024u * 1024)          /* data of a Secret, as the reference */
#define LIMIT_CONFIGMAP_BYTES (1024u * 1024)
#define LIMIT_UPDATE_MANAGERS 10                   /* in managedFields; the oldest are merged, as the reference */
#define LIMIT_JSON_PATCH_OPS 10000                 /* as the reference */
#define LIMIT_JSON_PATCH_STEPS 50000000            /* members and items passed over while finding what the ops name */
/* ---- dashboards ---- */
#define LIMIT_DASHBOARD_UID 40                     /* a dashboard's name, as Grafana's */
#define LIMIT_DASHBOARD_TITLE 5000                 /* bytes of its title, as Grafana's */
#define LIMIT_DASHBOARD_MESSAGE 500                /* bytes of what is said of a change to it, as Grafana's */
#define LIMIT_DASHBOARD_PANELS 2000                /* rows too; also the elements of v2 */
#define LIMIT_DASHBOARD_PARTS 20000                /* panels, queries, transformations, links, variables, annotations together */
#define LIMIT_DASHBOARD_STATISTICS 20              /* of an older CloudWatch query, which becomes one query each */
/* ---- lists and watches ---- */
#define LIMIT_LIST_SLICE_BYTES (256u * 1024)       /* what an event loop reads from the store at a time */
#define LIMIT_LIST_WHOLE_BYTES (32u * 1024 * 1024) /* of a list in a form that cannot be sent while it is read (YAML), as JSON */
#define LIMIT_LIST_MEASURED_BYTES (1024u * 1024)   /* of a list in protobuf that is kept while its length shows; a longer one is made twice */
#define LIMIT_LIST_INDEX_KEYS 8192                 /* keys that a list over an index has in memory at a time */
#define LIMIT_LIST_INDEX_WALK 131072               /* of an index that a list goes over; with more it looks at every object */
#define LIMIT_LIST_INDEX_LAG 4096                  /* revisions that a list's may be behind the present, to be answered from an index */
#define LIMIT_LIST_INDEX_CHANGES 1000              /* of objects of its type since then */
#define LIMIT_COMPRESS_QUEUE 32                    /* tasks waiting for the pool beyond which answers are not compressed */
#define LIMIT_SELECTOR_BYTES (16u * 1024)
#define LIMIT_WATCH_WINDOW_MS (5 * 60 * 1000)      /* default distance of the watch floor */
#define LIMIT_WATCH_RING_BYTES (64u * 1024 * 1024) /* recent events in memory, all types together */
#define LIMIT_WATCH_GATHER_BYTES (64u * 1024)      /* written to one watcher in one call */
#define LIMIT_WEBSOCKET_MESSAGE_BYTES (4u * 1024)  /* what a client may say on a watch's WebSocket; nobody reads it */
#define LIMIT_WATCH_STALL_MS (60 * 1000)           /* a watcher that takes nothing for this long is cut off */
/* ---- full text ---- */
#define LIMIT_TEXT_BYTES (64 * 1024)               /* of an object's text of one weight that is indexed */
#define LIMIT_TEXT_VALUES 100                      /* of an object's tags that are indexed */
#define LIMIT_TEXT_FIELDS 32                       /* paths in a definition's coracle.dev/text-fields */
#define LIMIT_TEXT_QUERY_BYTES 1024                /* what is searched for */
#define LIMIT_TEXT_QUERY_TOKENS 32
#define LIMIT_TEXT_FACETS 16                       /* of one search */
#define LIMIT_TEXT_SEARCH_MS 10000                 /* a search that takes longer is given up */
#define LIMIT_TEXT_WAIT_MS 1000                    /* for which a search waits until what was just written is in the index */
#define LIMIT_SEARCH_HITS 1000                     /* of one answer of dashboards' search */
/* ---- definitions ---- */
#define LIMIT_PATTERN_BYTES (64u * 1024)           /* a regular expression */
#define LIMIT_REGEX_MEMORY (1 << 20)               /* RE2 program and cache, bytes */
#define LIMIT_SCHEMA_DEPTH 100
#define LIMIT_DEFINITION_VERSIONS 1000             /* of one definition */
#define LIMIT_DEFINITION_NAMES 1000                /* short names, categories, selectable fields */
#define LIMIT_JSONPATH_BYTES (16u * 1024)          /* a path of a printer column, scale or selectable field */
#define LIMIT_JSONPATH_VALUES 100000               /* values found on the way; a path that finds more gives nothing */
/* ---- conversion by webhooks ---- */
#define LIMIT_CONVERSION_OBJECTS 500               /* in one review */
#define LIMIT_CONVERSION_BYTES (2u * 1024 * 1024)  /* of objects in one review, but for the last */
#define LIMIT_CONVERSION_ANSWER_BYTES (16u * 1024 * 1024)
#define LIMIT_CONVERSION_MS (30 * 1000)            /* for one call, as the reference */
#define LIMIT_CONVERSION_THREADS 32                /* on which conversions are waited for */
#define LIMIT_CONVERSION_THREADS_TYPE 8            /* of these, for objects of one type */
#define LIMIT_CONVERSION_QUEUE 1000                /* requests of one type waiting for such a thread */
#define LIMIT_CONVERSION_WAIT_MS (30 * 1000)       /* how long they wait before they are given up */
#define LIMIT_CONVERSION_RULES 16                  /* rule sets of a definition that converts by rules */
#define LIMIT_CONVERSION_STEPS 200                 /* steps in one of them */
#define LIMIT_CONVERSION_PATH 32                   /* keys of a path in a step */
/* ---- provisioning from files ---- */
#define LIMIT_PROVISION_FILE_BYTES (8u * 1024 * 1024) /* a file */
#define LIMIT_PROVISION_FILES 20000                /* of one directory and all below */
#define LIMIT_PROVISION_DEPTH 32                   /* directories in one another */
#define LIMIT_PROVISION_FAILURES 100               /* told of in the status of a source */
#define LIMIT_PROVISION_MESSAGE_BYTES 1000         /* of one of these */
#define LIMIT_PROVISION_DOCUMENTS 10000            /* in one file */
#define LIMIT_PROVISION_PARALLEL 16                /* files applied at a time */
/* ---- folders ---- */
#define LIMIT_FOLDER_DEPTH 4                       /* folders above a folder, as Grafana's max_nested_folder_depth */
#define LIMIT_FOLDER_UID 40                        /* characters */
#define LIMIT_FOLDER_CHILDREN 1000                 /* in one answer of the subresource children */
#define LIMIT_FOLDER_COUNT_MS (10 * 1000)          /* for counts?recursive=true */
/* ---- what belongs to users and teams ---- */
#define LIMIT_PERSONAL_TEAMS 25                    /* of a user, whose objects are looked at, as Grafana's PreferencesTeamLimit */
/* ---- applications ---- */
#define LIMIT_SHORTURL_VISITS 10000                /* of short URLs waiting to be noted; further ones are not */
#define LIMIT_ANNOTATION_PAGE 5000                 /* in one page of a search; also tags in one answer */
#define LIMIT_ANNOTATION_LOOKS 20000               /* looked at for one page; it may be short, or empty, and go on */
#define LIMIT_ANNOTATION_PAGE_BYTES (8u * 1024 * 1024) /* of a page as stored, but for its last */
/* ---- requests that the server makes ---- */
#define LIMIT_HTTPC_CONNECTIONS 64                 /* open at once to one host */
#define LIMIT_HTTPC_CONNECT_MS 5000                /* for a connection to come about */
#define LIMIT_HTTPC_BODY_BYTES (64u * 1024 * 1024) /* an answer's body */
/* ---- servers of others (APIServices) ---- */
#define LIMIT_REMOTE_SERVICES 1000                 /* group-versions handed on; further APIServices are not looked at */
#define LIMIT_REMOTE_DOCUMENT_BYTES (16u * 1024 * 1024) /* one of their discovery and OpenAPI documents */
#define LIMIT_PROXY_REQUESTS 1024                  /* handed on and not answered to their end, watches too */
#define LIMIT_PROXY_WINDOW_BYTES (256u * 1024)     /* of an answer handed on, in memory until its reader takes it */
#define LIMIT_PROXY_HEAD_BYTES (64u * 1024)        /* of an answer handed on: its headers */
#define LIMIT_PROXY_MS (60 * 1000)                 /* for one that is no watch, as the reference's --request-timeout */

/* ---- store ---- */
#define LIMIT_ETCD_IN_FLIGHT 64                    /* transactions sent to etcd and not answered */
#define LIMIT_ETCD_TXN_MS 10000                    /* until a transaction has its outcome or none is known */
#define LIMIT_STORE_BATCH 256                      /* transactions in one commit */
#define LIMIT_STORE_MAPPED_BYTES (16u * 1024 * 1024) /* of the store's file resident at a time */
#define LIMIT_POOL_QUEUE 20000                     /* requests waiting for the pool */

#endif
