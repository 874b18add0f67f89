#include "client/show/top_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/config/units.h"
#include "client/show/json_text.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/table.h"
#include "client/show/tables.h"

namespace entropyd {
namespace {

std::string ClassRows(const v1::GetStatusResponse& status, size_t columns) {
  Table table({"CLASS~", "RATE>", "DELIVERED>", "REQUESTS>?", "CONNECTIONS>", "WAITING>", "P50>",
               "P99>", "THROTTLED>?", "BUFFER>", "TARGET>"});
  for (const auto& one : status.class_()) {
    table.Add({one.class_(), FormatRate(one.delivered_rate()), ByteText(one.delivered()),
               absl::StrCat(one.requests()), absl::StrCat(one.guests()), ByteText(one.owed()),
               WaitText(one.wait_p50_seconds()), WaitText(one.wait_p99_seconds()),
               WaitText(one.throttled_seconds()), ByteText(one.buffer_level()),
               ByteText(one.buffer_target())});
  }
  return table.ToString(columns);
}

}  // namespace

void SortByRate(v1::GetStatusResponse* status) {
  std::stable_sort(status->mutable_class_()->begin(), status->mutable_class_()->end(),
                   [](const auto& a, const auto& b) {
                     if (a.delivered_rate() != b.delivered_rate()) {
                       return a.delivered_rate() > b.delivered_rate();
                     }
                     return a.delivered() > b.delivered();
                   });
}

void SortByRate(v1::ListGuestsResponse* guests) {
  std::stable_sort(guests->mutable_guest()->begin(), guests->mutable_guest()->end(),
                   [](const v1::Guest& a, const v1::Guest& b) {
                     if (a.rate() != b.rate()) return a.rate() > b.rate();
                     return a.delivered() > b.delivered();
                   });
}

std::string TopText(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests,
                    size_t rows, size_t columns) {
  double rate = 0;
  for (const auto& one : status.class_()) rate += one.delivered_rate();
  v1::ListGuestsResponse shown;
  for (const v1::Guest& guest : guests.guest()) {
    if (static_cast<size_t>(shown.guest_size()) == rows) break;
    *shown.add_guest() = guest;
  }
  std::string text = absl::StrCat(
      guests.guest_size(), guests.guest_size() == 1 ? " connection, " : " connections, ",
      FormatRate(rate),
      status.connected() ? absl::StrCat(" from ", OneLine(status.server())) : ", no server", "\n\n",
      ClassRows(status, columns));
  if (shown.guest_size() > 0) absl::StrAppend(&text, "\n", GuestsTable(shown, columns));
  if (shown.guest_size() < guests.guest_size()) {
    absl::StrAppend(&text, guests.guest_size() - shown.guest_size(), " more\n");
  }
  return text;
}

std::string TopJson(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests) {
  std::vector<std::string> each;
  for (const v1::Guest& guest : guests.guest()) each.push_back(JsonOf(guest));
  JsonObject json;
  json.SetRaw("status", JsonOf(status)).SetRaw("guests", JsonArray(each));
  return json.ToString();
}

}  // namespace entropyd
