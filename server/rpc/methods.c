/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of methods: every method that clients can call, its kind, its messages and who runs it. A row without a
 * handler answers UNIMPLEMENTED naming the method. */
#include "server.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>

#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/events.pb-c.h>
#include <sinter/v1/recommend.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#define SEARCH  "sinter.v1.SearchService"
#define CATALOG "sinter.v1.CatalogService"
#define EVENTS  "sinter.v1.EventService"
#define ADMIN   "sinter.v1.AdminService"
#define MESSAGES(request_, response_)                                                                                  \
    .request = &sinter__v1__##request_##__descriptor, .response = &sinter__v1__##response_##__descriptor
#define UNBUILT(service_, name_, stem)                                                                                 \
    {                                                                                                                  \
        .service = service_, .name = name_, MESSAGES(stem##_request, stem##_response)                                  \
    }
#define UNARY(service_, name_, stem, run_)                                                                             \
    {                                                                                                                  \
        .service = service_, .name = name_, .run = run_, MESSAGES(stem##_request, stem##_response)                     \
    }
#define CONTROL(name_, stem, control_)                                                                                 \
    {                                                                                                                  \
        .service = ADMIN, .name = name_, .run = control_run, .control = control_,                                      \
        MESSAGES(stem##_request, stem##_response)                                                                      \
    }
#define REFLECTION(service_)                                                                                           \
    {                                                                                                                  \
        .service = service_, .name = "ServerReflectionInfo", .kind = METHOD_BIDI, .place = ON_RECEIVER,                \
        .unlimited = true, .run = reflection_run,                                                                      \
        .request = &grpc__reflection__v1__server_reflection_request__descriptor,                                       \
        .response = &grpc__reflection__v1__server_reflection_response__descriptor                                      \
    }

const method METHODS[] = {
    UNARY(SEARCH, "Search", search, search_run),
    {.service = SEARCH,
     .name = "MultiSearch",
     .run = multi_search_run,
     .dispose = multi_search_dispose,
     MESSAGES(multi_search_request, multi_search_response)},
    UNARY(SEARCH, "Suggest", suggest, suggest_run),
    UNBUILT("sinter.v1.RecommendService", "Recommend", recommend),
    {.service = CATALOG,
     .name = "UpsertItems",
     .writes = true,
     .kind = METHOD_BIDI,
     .run = upsert_run,
     .sent = stream_sent,
     .refuse = stream_refuse,
     .dispose = stream_dispose,
     MESSAGES(upsert_items_request, upsert_items_response)},
    {.service = CATALOG,
     .name = "UpdateItems",
     .writes = true,
     .kind = METHOD_BIDI,
     .run = update_run,
     .sent = stream_sent,
     .refuse = stream_refuse,
     .dispose = stream_dispose,
     MESSAGES(update_items_request, update_items_response)},
    {.service = CATALOG,
     .name = "DeleteItems",
     .writes = true,
     .run = delete_run,
     .dispose = sweep_dispose,
     MESSAGES(delete_items_request, delete_items_response)},
    UNARY(CATALOG, "GetItems", get_items, get_run),
    {.service = CATALOG,
     .name = "ListItems",
     .kind = METHOD_SERVER_STREAM,
     .run = list_run,
     .dispose = list_dispose,
     MESSAGES(list_items_request, list_items_response)},
    UNARY(CATALOG, "ListCollections", list_collections, list_collections_run),
    {.service = CATALOG,
     .name = "SetAlias",
     .run = control_run,
     .control = set_alias_control,
     MESSAGES(set_alias_request, set_alias_response)},
    {.service = CATALOG,
     .name = "CopyCollection",
     .kind = METHOD_SERVER_STREAM,
     .run = copy_run,
     .dispose = copy_dispose,
     .control = copy_control,
     MESSAGES(copy_collection_request, copy_collection_response)},
    {.service = EVENTS,
     .name = "RecordEvents",
     .writes = true,
     .run = record_events_run,
     .dispose = record_events_dispose,
     MESSAGES(record_events_request, record_events_response)},
    {.service = EVENTS,
     .name = "StreamEvents",
     .writes = true,
     .kind = METHOD_BIDI,
     .run = stream_events_run,
     .sent = stream_sent,
     .refuse = stream_refuse,
     .dispose = stream_dispose,
     MESSAGES(stream_events_request, stream_events_response)},
    {.service = EVENTS, .name = "PutUser", .writes = true, .run = put_user_run, MESSAGES(put_user_request, put_user_response)},
    {.service = EVENTS,
     .name = "GetUser",
     .run = get_user_run,
     .control = get_user_people,
     MESSAGES(get_user_request, get_user_response)},
    {.service = EVENTS,
     .name = "EraseUser",
     .run = erase_user_run,
     .control = erase_user_people,
     MESSAGES(erase_user_request, erase_user_response)},
    {.service = EVENTS,
     .name = "ListEvents",
     .kind = METHOD_SERVER_STREAM,
     .run = list_events_run,
     .dispose = list_dispose,
     MESSAGES(list_events_request, list_events_response)},
    UNARY(ADMIN, "GetStatus", get_status, status_run),
    UNARY(ADMIN, "SetLogLevel", set_log_level, log_level_run),
    CONTROL("Reload", reload, reload_control),
    CONTROL("SwapPlugin", swap_plugin, swap_control),
    CONTROL("DeployModel", deploy_model, deploy_control),
    CONTROL("ListModels", list_models, models_control),
    CONTROL("Rollback", rollback, rollback_control),
    CONTROL("ListSnapshots", list_snapshots, snapshots_control),
    CONTROL("GetExperimentReport", get_experiment_report, report_control),
    CONTROL("ListExperiments", list_experiments, experiments_control),
    CONTROL("StopExperiment", stop_experiment, stop_experiment_control),
    CONTROL("StartExperiment", start_experiment, start_experiment_control),
    CONTROL("ExplainMissing", explain_missing, missing_control),
    CONTROL("Replay", replay, replay_control),
    {.service = "grpc.health.v1.Health",
     .name = "Check",
     .place = ON_RECEIVER,
     .unlimited = true,
     .run = health_check_run,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .response = &grpc__health__v1__health_check_response__descriptor},
    {.service = "grpc.health.v1.Health",
     .name = "Watch",
     .kind = METHOD_SERVER_STREAM,
     .place = ON_RECEIVER,
     .unlimited = true,
     .run = health_watch_run,
     .dispose = watch_dispose,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .response = &grpc__health__v1__health_check_response__descriptor},
    REFLECTION("grpc.reflection.v1.ServerReflection"),
    REFLECTION("grpc.reflection.v1alpha.ServerReflection"),
};
const size_t METHODS_N = ARRAY_LEN(METHODS);

const method *method_find(const char *path)
{
    for (size_t i = 0; i < METHODS_N; i++) {
        size_t n = strlen(METHODS[i].service);
        if (strncmp(path, METHODS[i].service, n) == 0 && path[n] == '/' && strcmp(path + n + 1, METHODS[i].name) == 0) return &METHODS[i];
    }
    return NULL;
}

const method *method_near(const char *path)
{
    char full[ARRAY_LEN(METHODS)][128];
    const char *names[ARRAY_LEN(METHODS)];
    for (size_t i = 0; i < METHODS_N; i++) {
        snprintf(full[i], sizeof full[i], "%s/%s", METHODS[i].service, METHODS[i].name);
        names[i] = full[i];
    }
    const char *near = near_name(path, names, METHODS_N);
    for (size_t i = 0; near && i < METHODS_N; i++)
        if (names[i] == near) return &METHODS[i];
    return NULL;
}
