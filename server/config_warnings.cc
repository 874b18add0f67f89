#include "server/config_warnings.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/units.h"
#include "base/config/warnings.h"
#include "base/crypto/pem.h"
#include "base/process/nanos.h"
#include "base/text/match_pattern.h"
#include "openssl/x509v3.h"

namespace entropyd {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, tls::Deleter<GENERAL_NAMES_free>>;

std::string At(absl::string_view list, int index, absl::string_view key) {
  return absl::StrCat(list, "[", index, "].", key);
}

class Warner {
 public:
  Warner(const config::v1::Server& config, const config::Locations& locations)
      : config_(config), warnings_(&locations) {}

  std::vector<std::string> Look() {
    warnings_.LookAtPrivateKey("tls.key", config_.tls().key());
    for (int i = 0; i < config_.sources_size(); ++i) LookAtSource(i);
    for (int i = 0; i < config_.pools_size(); ++i) LookAtPool(i);
    for (int i = 0; i < config_.policy_size(); ++i) LookAtRule(i);
    LookAtLimits();
    return warnings_.Take();
  }

 private:
  void LookAtSource(int i) {
    const config::v1::SourceConfig& source = config_.sources(i);
    const auto& pools = config_.pools();
    const bool used = std::any_of(pools.begin(), pools.end(), [&](const auto& pool) {
      return std::count(pool.sources().begin(), pool.sources().end(), source.name()) > 0;
    });
    if (used) return;
    warnings_.Add(At("sources", i, "name"),
                  absl::StrCat("no pool names '", source.name(),
                               "', so its bytes are of use to nobody; add "
                               "it to the sources of a pool, or remove it"));
  }

  void LookAtPool(int i) {
    const config::v1::PoolConfig& pool = config_.pools(i);
    if (pool.quality() != config::v1::POOL_QUALITY_FULL) {
      warnings_.AddForKey(
          At("pools", i, "capacity"),
          "does nothing in a pool of quality drbg, which stores no conditioned bytes; "
          "remove it");
    }
    LookAtSilence(pool);
    std::set<std::string> parents;
    for (const config::v1::ClassConfig& one : pool.classes()) parents.insert(one.parent());
    for (int j = 0; j < pool.classes_size(); ++j) {
      const config::v1::ClassConfig& one = pool.classes(j);
      const std::string at = absl::StrCat("pools[", i, "].classes[", j, "].");
      if (parents.count(one.name()) > 0) {
        warnings_.AddForKey(
            absl::StrCat(at, "member_weight"),
            "does nothing: agents are members of leaf classes, and this class has children; "
            "write it in those");
      }
      if (!one.parent().empty()) continue;
      for (const char* key : {"weight", "prio"}) {
        warnings_.AddForKey(
            absl::StrCat(at, key),
            "does nothing: it counts among siblings, and the root has none; remove it");
      }
    }
  }

  // A seed of this many sources is needed all the time.
  void LookAtSilence(const config::v1::PoolConfig& pool) {
    const auto silent = [&](const config::v1::SourceConfig& source) {
      return source.silence() > pool.max_seed_age() &&
             std::count(pool.sources().begin(), pool.sources().end(), source.name()) > 0;
    };
    const auto& all = config_.sources();
    const auto others = pool.sources_size() - std::count_if(all.begin(), all.end(), silent);
    if (others >= static_cast<int64_t>(pool.min_healthy_groups())) return;
    const auto text = [](uint64_t nanos) {
      return FormatDuration(ToSeconds(static_cast<int64_t>(nanos)));
    };
    for (int i = 0; i < config_.sources_size(); ++i) {
      if (!silent(config_.sources(i))) continue;
      warnings_.Add(
          At("sources", i, "silence"),
          absl::StrCat("the source may give nothing for ", text(config_.sources(i).silence()),
                       " before it counts as gone, and pool '", pool.name(), "' is suspended ",
                       "after ", text(pool.max_seed_age()), " without a fresh seed (max_seed_age)",
                       "; make silence shorter, or max_seed_age longer"));
    }
  }

  void LookAtRule(int i) {
    const config::v1::PolicyRule& rule = config_.policy(i);
    const auto weighs = [&] {
      for (const config::v1::PoolConfig& pool : config_.pools()) {
        for (const config::v1::ClassConfig& one : pool.classes()) {
          const std::string name = absl::StrCat(pool.name(), "/", one.name());
          if (one.member_weight() != config::v1::MEMBER_WEIGHT_GUESTS) continue;
          for (const std::string& pattern : rule.allow()) {
            if (MatchesPattern(pattern, name)) return true;
          }
        }
      }
      return false;
    };
    if (rule.role() == config::v1::ROLE_AGENT && weighs()) return;
    warnings_.AddForKey(
        At("policy", i, "max_weight"),
        "does nothing: it is for agents, in classes with member_weight: guests, and the rule "
        "allows none of these; remove it, or set member_weight in the class");
  }

  void LookAtLimits() {
    warnings_.LookAtShare("max_handshakes_per_address", config_.max_handshakes_per_address(),
                          "max_handshakes", config_.max_handshakes(), "addresses");
    warnings_.LookAtShare("max_gets_per_identity", config_.max_gets_per_identity(), "max_gets",
                          config_.max_gets(), "identities");
  }

  const config::v1::Server& config_;
  config::Warnings warnings_;
};

}  // namespace

std::vector<std::string> ConfigWarnings(const config::v1::Server& config,
                                        const config::Locations& locations) {
  return Warner(config, locations).Look();
}

bool NamesAHost(absl::string_view cert_pem) {
  const std::vector<tls::CertPtr> chain = tls::ReadCerts(cert_pem);
  if (chain.empty()) return false;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(chain.front().get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (type == GEN_DNS || type == GEN_IPADD) return true;
  }
  return false;
}

}  // namespace entropyd
