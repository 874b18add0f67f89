#include "tests/base/class_tree/shaping_simulation.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

constexpr int64_t kNano = 1'000'000'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

__int128 LeakyBucket::LevelAt(const Epoch& epoch, int64_t now_nanos) const {
  const __int128 level = epoch.level - static_cast<__int128>(ceil_) * (now_nanos - at_);
  return &epoch == &epochs_.back() && level < 0 ? 0 : level;
}

void LeakyBucket::DrainTo(int64_t now_nanos) {
  for (Epoch& epoch : epochs_) epoch.level = LevelAt(epoch, now_nanos);
  at_ = now_nanos;
}

bool LeakyBucket::Add(uint64_t bytes, int64_t now_nanos) {
  DrainTo(now_nanos);
  bool fits = true;
  for (Epoch& epoch : epochs_) {
    epoch.level += static_cast<__int128>(bytes) * kNano;
    fits = fits && epoch.level <= static_cast<__int128>(epoch.burst) * kNano;
  }
  return fits;
}

void LeakyBucket::Change(uint64_t ceil, uint64_t burst, int64_t now_nanos) {
  DrainTo(now_nanos);
  ceil_ = ceil;
  if (burst != epochs_.back().burst) epochs_.push_back({burst, 0});
}

int64_t LeakyBucket::NanosUntil(uint64_t bytes, int64_t now_nanos) const {
  __int128 wait = 0;
  for (const Epoch& epoch : epochs_) {
    const __int128 room = static_cast<__int128>(epoch.burst) - static_cast<__int128>(bytes);
    const __int128 excess = LevelAt(epoch, now_nanos) - room * kNano;
    wait = std::max(wait, excess <= 0 ? 0 : (excess + ceil_ - 1) / ceil_);
  }
  return static_cast<int64_t>(wait);
}

ShapingSimulation::ShapingSimulation(const ClassTree::Options& options,
                                     const std::vector<ClassTree::ClassSpec>& specs)
    : options_(options) {
  auto tree = ClassTree::Create(options, specs);
  if (!tree.ok()) {
    Break(tree.status().ToString());
    std::abort();  // the test's own specs are wrong
  }
  tree_ = *std::move(tree);
  AdoptClasses();
}

// Copies the present classes of the tree. Classes that stay keep their buckets.
void ShapingSimulation::AdoptClasses() {
  std::map<std::string, Class> before;
  before.swap(classes_);
  std::map<ClassId, std::string> leaves_before;
  leaves_before.swap(leaf_names_);
  for (const ClassStats& stats : tree_->Stats(now_)) {
    const std::string& name = stats.spec.name;
    if (auto kept = before.extract(name); !kept.empty()) classes_.insert(std::move(kept));
    Class& c = classes_[name];
    c.parent = stats.spec.parent;
    if (stats.delivered_bytes != c.delivered) Break(absl::StrCat("class ", name, " miscounted"));
    if (stats.spec.ceil == kUnlimited) {
      c.bucket = nullptr;
    } else if (c.bucket == nullptr) {
      c.bucket = std::make_unique<LeakyBucket>(stats.spec.ceil, stats.spec.cburst);
    } else {
      c.bucket->Change(stats.spec.ceil, stats.spec.cburst, now_);
    }
    const __int128 nano_bytes = __int128{stats.spec.rate} * options_.turn_nanos;
    const auto chunks = static_cast<uint64_t>(nano_bytes / options_.chunk_bytes / 1'000'000'000);
    c.turn_bytes = std::clamp(chunks, uint64_t{1}, uint64_t{kMaxTurnChunks}) * options_.chunk_bytes;
    if (stats.leaf) leaf_names_[tree_->FindLeaf(name).value()] = name;
  }
  for (MemberId id = 0; id < members_.size(); ++id) {
    Member& member = members_[id];
    if (!member.live) continue;
    if (tree_->MemberWant(id) != member.want) Break(absl::StrCat("member ", id, " lost its want"));
    SetLeaf(&member, member.leaf);
  }
  for (const auto& [id, name] : leaf_names_) {
    const auto found = leaves_before.find(id);
    if (found != leaves_before.end() && found->second != name && classes_.count(found->second)) {
      Break(absl::StrCat("the id of ", found->second, " now is that of ", name));
    }
  }
}

void ShapingSimulation::SetLeaf(Member* member, const std::string& leaf) {
  member->leaf = leaf;
  member->path.clear();
  for (std::string name = leaf; !name.empty(); name = classes_.at(name).parent) {
    member->path.push_back(&classes_.at(name));
  }
}

absl::Status ShapingSimulation::Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) {
  now_ = now_nanos;
  const absl::Status status = tree_->Update(classes, now_nanos);
  AdoptClasses();
  return status;
}

absl::StatusOr<ClassTree::ClassId> ShapingSimulation::FindLeaf(const std::string& name) const {
  return tree_->FindLeaf(name);
}

ClassTree::MemberId ShapingSimulation::AddMember(const std::string& leaf, const MemberSpec& spec) {
  return AddMember(tree_->FindLeaf(leaf).value(), spec);
}

ClassTree::MemberId ShapingSimulation::AddMember(ClassId leaf, const MemberSpec& spec) {
  const MemberId id = tree_->AddMember(leaf, spec);
  if (id >= members_.size()) members_.resize(id + 1);
  Member& member = members_[id];
  if (member.live) Break(absl::StrCat("member ", id, " given out twice"));
  member.live = true;
  SetLeaf(&member, leaf_names_.at(leaf));
  if (spec.ceil != kUnlimited) {
    const uint64_t burst = std::max<uint64_t>(4 * options_.chunk_bytes, (spec.ceil + 99) / 100);
    member.bucket = std::make_unique<LeakyBucket>(spec.ceil, burst);
  }
  return id;
}

void ShapingSimulation::RemoveMember(MemberId member) {
  tree_->RemoveMember(member);
  members_[member] = Member();
}

void ShapingSimulation::MoveMember(MemberId member, ClassId leaf, int64_t now_nanos) {
  now_ = now_nanos;
  tree_->MoveMember(member, leaf, now_nanos);
  SetLeaf(&members_[member], leaf_names_.at(leaf));
}

void ShapingSimulation::SetMemberWeight(MemberId member, double weight) {
  tree_->SetMemberWeight(member, weight);
}

void ShapingSimulation::Want(MemberId member, uint64_t bytes, int64_t now_nanos) {
  now_ = now_nanos;
  members_[member].want = bytes;
  tree_->Want(member, bytes, now_);
}

void ShapingSimulation::Unpark(MemberId member, int64_t now_nanos) {
  now_ = now_nanos;
  members_[member].parked = false;
  tree_->Unpark(member, now_);
}

uint64_t ShapingSimulation::MemberDelivered(MemberId member) const {
  return tree_->MemberDelivered(member);
}

void ShapingSimulation::Break(const std::string& what) {
  if (violation_.empty()) violation_ = absl::StrCat("at ", now_, " ns: ", what);
}

ClassTree::PassResult ShapingSimulation::Distribute(const Pass& pass) {
  return Distribute(pass, [](MemberId, uint32_t bytes) { return bytes; });
}

ClassTree::PassResult ShapingSimulation::Distribute(const Pass& pass, const Appetite& appetite) {
  return Distribute(now_, pass,
                    [&](MemberId id, void*, uint32_t bytes) { return appetite(id, bytes); });
}

ClassTree::PassResult ShapingSimulation::Distribute(int64_t now_nanos, const Pass& pass,
                                                    Offer offer) {
  now_ = now_nanos;
  uint64_t given = 0;
  uint32_t taken_grants = 0;
  auto result =
      tree_->Distribute(now_, pass, [&](MemberId id, void* cookie, uint32_t bytes) -> uint32_t {
        const uint32_t taken = OfferTo(id, cookie, bytes, pass.capacity_bytes - given, offer);
        given += taken;
        taken_grants += taken > 0;
        return taken;
      });
  if (result.bytes != given || result.grants != taken_grants) Break("the pass miscounted");
  CheckEnd(pass, result);
  return result;
}

uint32_t ShapingSimulation::OfferTo(MemberId id, void* cookie, uint32_t bytes, uint64_t most,
                                    Offer offer) {
  Member& member = members_.at(id);
  if (!member.live) Break(absl::StrCat("member ", id, " is gone and was offered ", bytes));
  if (member.parked) Break(absl::StrCat("member ", id, " is parked and was offered ", bytes));
  // Between a chunk and a turn, as the buckets allow, which Record() checks.
  const uint64_t least = std::min({uint64_t{options_.chunk_bytes}, member.want, most});
  const uint64_t longest = std::min({member.path.front()->turn_bytes, member.want, most});
  if (bytes < least || bytes > longest || bytes == 0) {
    Break(absl::StrCat("member ", id, " was offered ", bytes, ", not ", least, " to ", longest));
  }
  const uint32_t taken = offer(id, cookie, bytes);
  member.parked = taken == 0;
  if (taken > 0) Record(id, taken);
  return taken;
}

uint32_t ShapingSimulation::GrantFirst(MemberId member, uint32_t bytes, const Appetite& appetite) {
  return GrantFirst(member, bytes, now_,
                    [&](MemberId id, void*, uint32_t offered) { return appetite(id, offered); });
}

uint32_t ShapingSimulation::GrantFloor(MemberId member, uint32_t bytes, const Appetite& appetite) {
  return GrantFloor(member, bytes, now_,
                    [&](MemberId id, void*, uint32_t offered) { return appetite(id, offered); });
}

uint32_t ShapingSimulation::GrantFirst(MemberId member, uint32_t bytes, int64_t now_nanos,
                                       Offer offer) {
  return OutOfTurn(&ClassTree::GrantFirst, member, bytes, now_nanos, offer);
}

uint32_t ShapingSimulation::GrantFloor(MemberId member, uint32_t bytes, int64_t now_nanos,
                                       Offer offer) {
  return OutOfTurn(&ClassTree::GrantFloor, member, bytes, now_nanos, offer);
}

uint32_t ShapingSimulation::OutOfTurn(OutOfTurnGrant grant, MemberId member, uint32_t bytes,
                                      int64_t now_nanos, Offer offer) {
  now_ = now_nanos;
  bool asked = false;
  return (tree_.get()->*grant)(member, bytes, now_,
                               [&](MemberId id, void* cookie, uint32_t offered) {
                                 if (id != member)
                                   Break(absl::StrCat("member ", id, " went first, not ", member));
                                 if (std::exchange(asked, true))
                                   Break("one that goes first was asked twice");
                                 return OfferTo(id, cookie, offered, bytes, offer);
                               });
}

void ShapingSimulation::Record(MemberId id, uint32_t bytes) {
  Member& member = members_.at(id);
  ++grants_;
  member.want -= bytes;
  member.delivered += bytes;
  // An eligible member holds a whole chunk of tokens, whatever it takes.
  auto exceeds = [&](LeakyBucket* bucket) {
    return bucket != nullptr &&
           (bucket->NanosUntil(options_.chunk_bytes, now_) > 0 || !bucket->Add(bytes, now_));
  };
  if (exceeds(member.bucket.get())) Break(absl::StrCat("member ", id, " exceeded its ceil"));
  for (Class* c : member.path) {
    c->delivered += bytes;
    if (exceeds(c->bucket.get()))
      Break(absl::StrCat("a class of ", member.leaf, " exceeded its ceil"));
  }
}

// The time until the first member can be served; kNever when none waits unparked.
int64_t ShapingSimulation::NanosUntilEligible() const {
  int64_t first = kNever;
  for (const Member& member : members_) {
    if (member.want == 0 || member.parked) continue;
    int64_t wait = 0;
    auto heed = [&](const LeakyBucket* bucket) {
      if (bucket != nullptr) wait = std::max(wait, bucket->NanosUntil(options_.chunk_bytes, now_));
    };
    heed(member.bucket.get());
    for (const Class* c : member.path) heed(c->bucket.get());
    first = std::min(first, wait);
  }
  return first;
}

void ShapingSimulation::CheckEnd(const ClassTree::Pass& pass, const ClassTree::PassResult& result) {
  const int64_t wait = NanosUntilEligible();
  const auto event = tree_->NextEventNanos();
  if (event.has_value() && *event <= now_) Break("the next event lies in the past");
  if (result.more) {
    if (wait != 0) Break("the pass said more, and nobody is eligible");
    if (result.bytes < pass.capacity_bytes && result.grants < pass.max_grants) {
      Break("the pass ended early");
    }
    return;
  }
  ++refusals_;
  if (wait == 0) Break("the pass ended although somebody was eligible");
  if (wait == kNever) return;
  if (!event.has_value()) {
    Break("somebody waits for tokens and no event is due");
  } else if (*event > now_ + wait) {
    Break(absl::StrCat("the next event is ", *event - now_ - wait, " ns late"));
  }
}

namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

struct FluidNode {
  const ClassTree::ClassSpec* spec = nullptr;
  std::vector<FluidNode*> children;
  double demand = 0;
  double entitled = 0;
  double share = 0;
};

struct Claim {
  FluidNode* node;
  double cap;
  double weight;
};

// Weighted max-min: each gets min(cap, level x weight), added to its share. Returns what is left.
double Pour(double total, std::vector<Claim> claims) {
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.cap / a.weight < b.cap / b.weight; });
  double weights = 0;
  for (const Claim& claim : claims) weights += claim.weight;
  for (const Claim& claim : claims) {
    const double part = std::min(claim.cap, total * claim.weight / weights);
    claim.node->share += part;
    total -= part;
    weights -= claim.weight;
  }
  return total;
}

void Split(FluidNode* node, ClassTree::Shed shed) {
  double entitled = 0;
  std::set<uint32_t> prios;
  for (FluidNode* child : node->children) {
    child->share = 0;
    entitled += child->entitled;
    prios.insert(child->spec->prio);
  }
  double left = node->share;
  const bool shortage = entitled > left;
  auto guarantee = [&](int prio) {
    std::vector<Claim> claims;
    for (FluidNode* child : node->children) {
      if (child->entitled == 0 || (prio >= 0 && child->spec->prio != static_cast<uint32_t>(prio))) {
        continue;
      }
      claims.push_back({child, child->entitled, static_cast<double>(child->spec->rate)});
    }
    left = Pour(left, claims);
  };
  if (shortage && shed == ClassTree::Shed::kPriority) {
    for (uint32_t prio : prios) guarantee(static_cast<int>(prio));
  } else {
    guarantee(-1);
  }
  for (uint32_t prio : prios) {
    std::vector<Claim> claims;
    for (FluidNode* child : node->children) {
      if (shortage || child->spec->prio != prio || child->demand <= child->entitled) continue;
      claims.push_back({child, child->demand - child->entitled, child->spec->weight});
    }
    left = Pour(left, claims);
  }
  for (FluidNode* child : node->children) Split(child, shed);
}

}  // namespace

std::map<std::string, double> FluidShares(double capacity, ClassTree::Shed shed,
                                          const std::vector<ClassTree::ClassSpec>& specs,
                                          const std::map<std::string, double>& demand) {
  // Only the defaults (rates of inner classes, weights) come from the tree.
  auto tree = ClassTree::Create({.allow_zero_rate_leaves = true}, specs).value();
  const std::vector<ClassTree::ClassStats> stats = tree->Stats(0);
  std::map<std::string, FluidNode> nodes;
  for (const auto& s : stats) nodes[s.spec.name].spec = &s.spec;
  for (auto it = stats.rbegin(); it != stats.rend(); ++it) {
    FluidNode& node = nodes[it->spec.name];
    if (node.children.empty()) {
      auto found = demand.find(it->spec.name);
      node.demand = found == demand.end() ? kUnbounded : found->second;
    } else {
      for (FluidNode* child : node.children) node.demand += child->demand;
    }
    if (it->spec.ceil != ClassTree::kUnlimited) {
      node.demand = std::min(node.demand, static_cast<double>(it->spec.ceil));
    }
    node.entitled = std::min(node.demand, static_cast<double>(it->spec.rate));
    if (!it->spec.parent.empty()) nodes[it->spec.parent].children.push_back(&node);
  }
  FluidNode& root = nodes[stats.front().spec.name];
  root.share = std::min(capacity, root.demand);
  Split(&root, shed);
  std::map<std::string, double> shares;
  for (const auto& [name, node] : nodes) {
    if (node.children.empty()) shares[name] = node.share;
  }
  return shares;
}

double TestScale() {
  const char* text = std::getenv("ENTROPYD_TEST_SCALE");
  double scale = 1;
  if (text != nullptr && (!absl::SimpleAtod(text, &scale) || scale <= 0)) return 1;
  return scale;
}

}  // namespace entropyd
