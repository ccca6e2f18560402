/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments as tables for people. */
#ifndef SINTER_COMMANDS_EXPERIMENT_TEXT_H
#define SINTER_COMMANDS_EXPERIMENT_TEXT_H

#include <sinter/v1/admin.pb-c.h>

void experiment_print_info(const Sinter__V1__ExperimentInfo *x);
void experiment_print_list(const Sinter__V1__ListExperimentsResponse *r);
void experiment_print_report(const Sinter__V1__GetExperimentReportResponse *r);

#endif
