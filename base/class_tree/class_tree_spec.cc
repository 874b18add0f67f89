#include "base/class_tree/class_tree_spec.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/class_tree/token_bucket.h"

namespace entropyd {
namespace {

using ClassSpec = ClassTree::ClassSpec;

constexpr uint32_t kMaxChunk = 1 << 20;  // keeps a chunk's share of virtual time below 2^60
constexpr uint32_t kMaxPrio = 7;
// Virtual time is an integer, and the heaviest sibling must still pay one unit for a byte.
constexpr double kMaxWeightRatio = static_cast<double>(uint64_t{1} << 40);

std::string ExactRate(uint64_t rate) { return absl::StrCat(ExactBytes(rate), "/s"); }

template <typename... Args>
absl::Status Refuse(const ClassSpec& spec, const Args&... what) {
  return absl::InvalidArgumentError(absl::StrCat("class '", spec.name, "': ", what...));
}

// The classes by name and by parent.
struct Shape {
  absl::flat_hash_map<std::string, std::vector<const ClassSpec*>> children;
  absl::flat_hash_map<std::string, const ClassSpec*> by_name;
  const ClassSpec* root = nullptr;
};

// Every class has a name of its own; exactly one has no parent; the other parents exist.
absl::StatusOr<Shape> FindShape(absl::Span<const ClassSpec> classes) {
  Shape shape;
  for (const ClassSpec& spec : classes) {
    if (spec.name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("class ", &spec - classes.data() + 1, " of ",
                                                     classes.size(), ": has no name; give it one"));
    }
    if (!shape.by_name.emplace(spec.name, &spec).second) {
      return Refuse(spec, "the name is used twice; rename one of the two");
    }
    if (!spec.parent.empty()) {
      shape.children[spec.parent].push_back(&spec);
      continue;
    }
    if (shape.root != nullptr) {
      return Refuse(spec, "is a second root beside '", shape.root->name,
                    "'; give it a parent, only one class may have none");
    }
    shape.root = &spec;
  }
  for (const ClassSpec& spec : classes) {
    if (!spec.parent.empty() && !shape.by_name.contains(spec.parent)) {
      return Refuse(spec, "its parent '", spec.parent,
                    "' does not exist; add that class or name one that does");
    }
  }
  if (shape.root == nullptr) {
    return absl::InvalidArgumentError(
        "classes: there is no root; exactly one class must be without a parent");
  }
  return shape;
}

// Puts parents before their children, from the root on. Refuses classes that the root does not
// reach.
absl::StatusOr<std::vector<ResolvedClass>> Order(absl::Span<const ClassSpec> classes) {
  absl::StatusOr<Shape> shape = FindShape(classes);
  if (!shape.ok()) return shape.status();
  std::vector<ResolvedClass> order;
  order.push_back({*shape->root, 0, true});
  shape->by_name.erase(shape->root->name);
  for (uint32_t i = 0; i < order.size(); ++i) {
    auto found = shape->children.find(order[i].spec.name);
    if (found == shape->children.end()) continue;
    order[i].leaf = false;
    for (const ClassSpec* child : found->second) {
      order.push_back({*child, i, true});
      shape->by_name.erase(child->name);
    }
  }
  for (const ClassSpec& spec : classes) {
    if (shape->by_name.contains(spec.name)) {
      return Refuse(spec, "its parents run in a cycle through '", spec.parent,
                    "'; let the topmost of them hang below the root '", shape->root->name, "'");
    }
  }
  return order;
}

// An inner class without a rate gets the sum of its children's rates.
absl::Status FillRates(const ClassTree::Options& options, std::vector<ResolvedClass>* classes) {
  std::vector<uint64_t> children_rate(classes->size(), 0);
  for (size_t i = classes->size(); i-- > 0;) {
    ResolvedClass& c = (*classes)[i];
    if (c.spec.rate > TokenBucket::kMaxRate) {
      return Refuse(c.spec, "rate ", ExactRate(c.spec.rate), " is above ",
                    ExactRate(TokenBucket::kMaxRate),
                    ", the most that can be guaranteed; lower it");
    }
    if (c.leaf && c.spec.rate == 0 && !options.allow_zero_rate_leaves) {
      return Refuse(c.spec, "rate 0 would let this leaf starve; guarantee it a rate, e.g. 1KiB/s");
    }
    if (!c.leaf && c.spec.rate == 0) {
      c.spec.rate = std::min(children_rate[i], TokenBucket::kMaxRate);
    }
    if (children_rate[i] > c.spec.rate) {
      return Refuse(c.spec, "rate ", ExactRate(c.spec.rate),
                    " is below the sum of its children's, ", ExactRate(children_rate[i]),
                    "; raise it, lower theirs, or leave it out to have the sum");
    }
    if (i > 0) children_rate[c.parent] += c.spec.rate;
  }
  return absl::OkStatus();
}

// `bucket` is "burst" or "cburst", `flow` the "rate" or "ceil" that it belongs to.
absl::Status FillBurst(const ClassSpec& spec, const char* bucket, const char* flow, uint64_t rate,
                       uint32_t chunk_bytes, uint64_t* burst) {
  const uint64_t least = DefaultBurst(rate, chunk_bytes);
  if (*burst == 0) *burst = least;
  if (*burst < least) {
    return Refuse(spec, bucket, " ", ExactBytes(*burst), " is below ", ExactBytes(least),
                  ", the larger of 4 chunks of ", ExactBytes(chunk_bytes), " and 10 ms at the ",
                  flow, " ", ExactRate(rate), "; raise it or leave it out");
  }
  if (*burst > TokenBucket::kMaxBurst) {
    return Refuse(spec, bucket, " ", ExactBytes(*burst), " is above ",
                  ExactBytes(TokenBucket::kMaxBurst), "; lower it");
  }
  return absl::OkStatus();
}

absl::Status FillLimits(const ClassTree::Options& options, ResolvedClass* c) {
  ClassSpec& spec = c->spec;
  if (spec.prio > kMaxPrio) {
    return Refuse(spec, "prio ", spec.prio, " is not in 0..", kMaxPrio, "; choose one that is");
  }
  if (auto status = FillBurst(spec, "burst", "rate", spec.rate, options.chunk_bytes, &spec.burst);
      !status.ok()) {
    return status;
  }
  if (spec.ceil == ClassTree::kUnlimited) {
    if (spec.cburst != 0) {
      return Refuse(spec, "cburst ", ExactBytes(spec.cburst),
                    " belongs to a ceil, and there is none; add a ceil or leave cburst out");
    }
    return absl::OkStatus();
  }
  if (spec.ceil == 0) {
    return Refuse(spec, "ceil 0 would never let anything pass; raise it or leave it out");
  }
  if (spec.ceil < spec.rate) {
    return Refuse(spec, "ceil ", ExactRate(spec.ceil), " is below the rate ", ExactRate(spec.rate),
                  "; raise the ceil or lower the rate");
  }
  if (spec.ceil > TokenBucket::kMaxRate) {
    return Refuse(spec, "ceil ", ExactRate(spec.ceil), " is above ",
                  ExactRate(TokenBucket::kMaxRate), "; leave it out for no ceiling");
  }
  return FillBurst(spec, "cburst", "ceil", spec.ceil, options.chunk_bytes, &spec.cburst);
}

absl::Status FillWeights(std::vector<ResolvedClass>* classes) {
  struct Range {
    double least = 0;
    double most = 0;
  };
  std::vector<Range> siblings(classes->size());
  for (size_t i = 0; i < classes->size(); ++i) {
    ResolvedClass& c = (*classes)[i];
    if (c.spec.weight == 0) c.spec.weight = static_cast<double>(c.spec.rate);
    if (i == 0 && c.spec.weight >= 0) continue;  // the root competes with nobody
    if (!(c.spec.weight > 0) || !std::isfinite(c.spec.weight)) {
      return Refuse(
          c.spec, "weight ", c.spec.weight,
          " is not positive; give a positive one (it may be left out when there is a rate)");
    }
    Range& range = siblings[c.parent];
    range.least = range.least == 0 ? c.spec.weight : std::min(range.least, c.spec.weight);
    range.most = std::max(range.most, c.spec.weight);
    if (range.most > range.least * kMaxWeightRatio) {
      return Refuse(c.spec, "weight ", c.spec.weight,
                    " and a sibling's are further apart than 1 to 2^40; bring them closer");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string ExactBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < 3) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, kUnits[unit]);
}

uint64_t DefaultBurst(uint64_t rate, uint32_t chunk_bytes) {
  return std::max(uint64_t{4} * chunk_bytes, (rate + 99) / 100);
}

absl::StatusOr<std::vector<ResolvedClass>> ResolveClasses(const ClassTree::Options& options,
                                                          absl::Span<const ClassSpec> classes) {
  if (options.chunk_bytes == 0 || options.chunk_bytes > kMaxChunk) {
    return absl::InvalidArgumentError(absl::StrCat("class tree: chunk of ", options.chunk_bytes,
                                                   " bytes is not in 1..", kMaxChunk));
  }
  if (options.turn_nanos < 0 ||
      (options.turn_nanos > 0 && options.chunk_bytes > kMaxChunk / ClassTree::kMaxTurnChunks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("class tree: turns of ", options.turn_nanos, " ns with a chunk of ",
                     options.chunk_bytes, " bytes: the time must not be negative, nor ",
                     ClassTree::kMaxTurnChunks, " chunks be more than ", kMaxChunk, " bytes"));
  }
  auto resolved = Order(classes);
  if (!resolved.ok()) return resolved.status();
  if (auto status = FillRates(options, &*resolved); !status.ok()) return status;
  for (ResolvedClass& c : *resolved) {
    if (auto status = FillLimits(options, &c); !status.ok()) return status;
  }
  if (auto status = FillWeights(&*resolved); !status.ok()) return status;
  return resolved;
}

}  // namespace entropyd
