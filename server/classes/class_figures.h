// The figures of a class that operators may change while it serves: checks, merging, and text.
//
//   absl::Status status = CheckFigures(figures);
//   if (status.ok()) MergeFigures(figures, &kept);
//
// Errors: INVALID_ARGUMENT, naming key, value and remedy.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "proto/class_state.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// The keys, in the order in which people read them.
std::vector<const google::protobuf::FieldDescriptor*> FigureFields();
std::vector<const google::protobuf::FieldDescriptor*> PresentFigures(
    const config::v1::ClassFigures& figures);

// A figure exactly as the loader reads it: "64KiB/s".
std::string FigureYaml(const config::v1::ClassFigures& figures,
                       const google::protobuf::FieldDescriptor* field);
// The same for people: "none" means no ceiling, "default" means that it follows from the other
// figures.
std::string FigureText(const config::v1::ClassFigures& figures,
                       const google::protobuf::FieldDescriptor* field);
// The same for a configured class, whose key may be absent.
std::string ConfiguredText(const config::v1::ClassConfig& config,
                           const google::protobuf::FieldDescriptor* field);
// All figures in one line: "rate=64KiB/s ceil=none".
std::string FiguresText(const config::v1::ClassFigures& figures);

// Checks each figure by the rule of its key, as if it came from a file. Errors: INVALID_ARGUMENT
// naming key, value and remedy; also when there is no figure at all.
absl::Status CheckFigures(const config::v1::ClassFigures& figures);

// Lays `over` over `*figures`. When a ceiling goes, its cburst goes too.
void MergeFigures(const config::v1::ClassFigures& over, config::v1::ClassFigures* figures);
// Removes the figures that only repeat the configuration.
void DropConfigured(const config::v1::ClassConfig& config, config::v1::ClassFigures* figures);
void ApplyFigures(const config::v1::ClassFigures& figures, config::v1::ClassConfig* config);

}  // namespace entropyd
