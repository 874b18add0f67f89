#include "hostagent/guest/guest_accounts.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// Writes counts with all digits, and other numbers with the digits that matter.
std::string Number(double value) {
  const bool whole = value == std::floor(value) && value < 1e15;
  return whole ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.9g", value);
}

std::string Labels(const GuestSeries& guest) {
  const auto quoted = [](const std::string& text) {
    return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
  };
  return absl::StrCat("guest=\"", quoted(guest.name), "\",uuid=\"", quoted(guest.uuid),
                      "\",class=\"", quoted(guest.class_name), "\"");
}

class Text {
 public:
  explicit Text(const std::vector<GuestSeries>& guests) : guests_(guests) {
    for (const GuestSeries& guest : guests) labels_.push_back(Labels(guest));
  }

  void Family(absl::string_view name, absl::string_view type, absl::string_view help,
              absl::FunctionRef<double(const GuestSeries&)> value) {
    Head(name, type, help);
    for (size_t i = 0; i < guests_.size(); ++i) {
      absl::StrAppend(&text_, name, "{", labels_[i], "} ", Number(value(guests_[i])), "\n");
    }
  }

  void Waits(absl::string_view name, absl::string_view help) {
    Head(name, "summary", help);
    for (size_t i = 0; i < guests_.size(); ++i) {
      const GuestTotals& totals = guests_[i].totals;
      for (const char* q : {"0.5", "0.99"}) {
        const double share = q[2] == '5' ? 0.5 : 0.99;
        absl::StrAppend(&text_, name, "{", labels_[i], ",quantile=\"", q, "\"} ",
                        Number(WaitQuantile(totals.waits, share)), "\n");
      }
      absl::StrAppend(&text_, name, "_sum{", labels_[i], "} ",
                      Number(ToSeconds(totals.wait_sum_nanos)), "\n", name, "_count{", labels_[i],
                      "} ", totals.wait_count(), "\n");
    }
  }

  std::string Take() { return std::move(text_); }

 private:
  void Head(absl::string_view name, absl::string_view type, absl::string_view help) {
    absl::StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }

  const std::vector<GuestSeries>& guests_;
  std::vector<std::string> labels_;
  std::string text_;
};

}  // namespace

void GuestAccounts::Join(const Key& key) {
  Account& account = accounts_[key];
  if (account.connections++ == 0) left_.erase({account.left_at, key});
}

void GuestAccounts::Leave(const Key& key, const GuestTotals& had, int64_t now_nanos) {
  const auto found = accounts_.find(key);
  if (found == accounts_.end()) return;
  Account& account = found->second;
  account.departed += had;
  if (--account.connections > 0) return;
  if (account.departed == GuestTotals()) {
    accounts_.erase(found);  // it has had nothing, perhaps because its name was not known yet
  } else {
    Keep(key, &account, now_nanos);
  }
}

void GuestAccounts::Keep(const Key& key, Account* account, int64_t now_nanos) {
  account->left_at = now_nanos;
  left_.emplace(now_nanos, key);
}

void GuestAccounts::Forget(int64_t now_nanos) {
  while (!left_.empty()) {
    const auto first = left_.begin();
    if (now_nanos - first->first < kKeepNanos && left_.size() <= kMaxKept) return;
    accounts_.erase(first->second);
    left_.erase(first);
  }
}

void GuestAccounts::Clear() {
  accounts_.clear();
  left_.clear();
}

void GuestAccounts::EndRestore(int64_t now_nanos) {
  for (const auto& [key, departed] : restored_) {
    Account& account = accounts_[key];
    account.departed += departed;
    if (account.connections == 0) Keep(key, &account, now_nanos);
  }
  restored_.clear();
}

std::string GuestMetricsText(std::vector<GuestSeries> guests, size_t most) {
  // By name where they have got the same, so that the list does not change by chance.
  std::sort(guests.begin(), guests.end(), [](const GuestSeries& a, const GuestSeries& b) {
    if (a.totals.delivered != b.totals.delivered) return a.totals.delivered > b.totals.delivered;
    return std::tie(a.name, a.uuid, a.class_name) < std::tie(b.name, b.uuid, b.class_name);
  });
  if (guests.size() > most) guests.resize(most);
  Text text(guests);
  text.Family("entropyd_agent_guest_connections", "gauge", "Connections now.",
              [](const GuestSeries& g) { return double(g.connections); });
  text.Family("entropyd_agent_guest_owed_bytes", "gauge", "Bytes that the guest waits for.",
              [](const GuestSeries& g) { return double(g.owed); });
  text.Family("entropyd_agent_guest_delivered_bytes_total", "counter",
              "Bytes of entropy handed to the guest, primed ones included.",
              [](const GuestSeries& g) { return double(g.totals.delivered); });
  text.Family("entropyd_agent_guest_requests_total", "counter", "EGD commands received.",
              [](const GuestSeries& g) { return double(g.totals.requests); });
  text.Family("entropyd_agent_guest_throttled_seconds_total", "counter",
              "Time that the guest waited for nothing but guest_ceil.",
              [](const GuestSeries& g) { return ToSeconds(g.totals.throttled_nanos); });
  text.Waits("entropyd_agent_guest_wait_seconds",
             "From the arrival of pipelined like requests to their last reply byte.");
  return text.Take();
}

}  // namespace entropyd
