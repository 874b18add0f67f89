// The figures of a class that may be changed while it serves: checked, applied, and as text.
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

// The keys, in the order in which people are told of them.
std::vector<const google::protobuf::FieldDescriptor*> FigureFields();
std::vector<const google::protobuf::FieldDescriptor*> PresentFigures(
    const config::v1::ClassFigures& figures);

// A figure as the loader reads it, exactly: "64KiB/s".
std::string FigureYaml(const config::v1::ClassFigures& figures,
                       const google::protobuf::FieldDescriptor* field);
// The same for people: "none" for no ceiling, "default" for what follows from the other figures.
std::string FigureText(const config::v1::ClassFigures& figures,
                       const google::protobuf::FieldDescriptor* field);
// The same of a configured class, whose key may be absent.
std::string ConfiguredText(const config::v1::ClassConfig& config,
                           const google::protobuf::FieldDescriptor* field);
// "rate=64KiB/s ceil=none"
std::string FiguresText(const config::v1::ClassFigures& figures);

// Each by the rule of its key, as if it had been read from a file. Errors: INVALID_ARGUMENT naming
// key, value and remedy; also when there is no figure at all.
absl::Status CheckFigures(const config::v1::ClassFigures& figures);

// `over` laid over `*figures`. A ceiling that goes takes its cburst along.
void MergeFigures(const config::v1::ClassFigures& over, config::v1::ClassFigures* figures);
// Without those that say what the configuration says anyway.
void DropConfigured(const config::v1::ClassConfig& config, config::v1::ClassFigures* figures);
void ApplyFigures(const config::v1::ClassFigures& figures, config::v1::ClassConfig* config);

}  // namespace entropyd
