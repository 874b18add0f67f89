#include "base/config/warnings.h"

#include "absl/strings/str_cat.h"
#include "base/process/read_file.h"

namespace entropyd::config {

void Warnings::Add(absl::string_view path, absl::string_view message) {
  lines_.emplace_back(locations_->Error(path, message).message());
}

void Warnings::AddForKey(absl::string_view path, absl::string_view message) {
  if (locations_->Has(path)) Add(path, message);
}

void Warnings::LookAtPrivateKey(absl::string_view path, const std::string& file) {
  if (!EverybodyMayRead(file)) return;
  Add(path, absl::StrCat("everybody may read ", file,
                         ", and could pose as this host; chmod 600 it, and issue another one if "
                         "others have been on this machine"));
}

void Warnings::LookAtShare(absl::string_view share, uint64_t share_value, absl::string_view whole,
                           uint64_t whole_value, absl::string_view whom) {
  if (share_value <= whole_value) return;
  AddForKey(share, absl::StrCat("does nothing above ", whole, " (", whole_value, "), which all ",
                                whom, " share; lower it"));
}

}  // namespace entropyd::config
