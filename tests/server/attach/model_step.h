// What may happen next in the model of Attach, as a list that is made from a seed. A step means
// something in any state, so that a list without some of its steps is a list, too.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace entropyd {

struct ModelStep {
  enum class Kind {
    kAsk,         // guests of host a want b words of a class
    kProcess,     // the agent of host a runs
    kUp,          // a message of stream a reaches the server
    kDown,        // a message of stream a comes out of the network, cut every b bytes
    kWritten,     // the network has taken the server's message of stream a
    kMove,        // stream a moves whatever there is, in both directions
    kBlock,       // what the agent sends on stream a stays there (b odd), or leaves
    kPass,        // b milliseconds pass
    kJump,        // some seconds pass at once
    kRotate,      // most of an hour passes at once
    kSever,       // the connection of stream a breaks
    kTellAgent,   // the agent of stream a learns of the end
    kTellServer,  // so does its server
    kGet,         // a reader asks server a for b words, or gives up
    kDrainOne,    // an operator drains an identity of server a
    kDrainAll,    // or all of it, or ends that
    kClasses,     // server a has other figures, or one class less
    kPools,       // a pool of server a suspends, discards, fails or is filled
    kRules,       // server a lets an identity in no more, or not to a class, or all as before
    kOffend,      // stream a breaks the rules
    kSuspend,     // the agent of host a leaves for its successor, or is that
    kCopy,        // host a was copied
    kForgive,     // the agent of host a forgets for how long it waits
  };
  static constexpr size_t kKinds = 23;

  Kind kind;
  uint64_t a;
  uint64_t b;

  std::string Text() const {
    static constexpr std::array<const char*, kKinds> kNames = {
        "ask",         "process", "up",        "down",      "written", "move",
        "block",       "pass",    "jump",      "rotate",    "sever",   "tell_agent",
        "tell_server", "get",     "drain_one", "drain_all", "classes", "pools",
        "rules",       "offend",  "suspend",   "copy",      "forgive"};
    return absl::StrCat(kNames[static_cast<size_t>(kind)], "(", a, ",", b, ")");
  }
};

inline std::vector<ModelStep> ModelSteps(uint64_t seed, size_t count) {
  // How often each kind comes, of a thousand. Every fourth seed is calm: nothing breaks.
  static constexpr std::array<double, ModelStep::kKinds> kStormy = {
      110, 190, 120, 100, 110, 120, 30, 60, 25, 0.5, 12, 25, 20, 20, 3, 3, 5, 12, 3, 6, 3, 2, 20};
  std::array<double, ModelStep::kKinds> weights = kStormy;
  if (seed % 4 == 0) {
    for (size_t i = static_cast<size_t>(ModelStep::Kind::kRotate); i < weights.size(); ++i) {
      weights[i] = 0;
    }
    weights[static_cast<size_t>(ModelStep::Kind::kGet)] = 20;
  }
  std::mt19937_64 random(seed);
  std::discrete_distribution<int> kinds(weights.begin(), weights.end());
  std::vector<ModelStep> steps;
  for (size_t i = 0; i < count; ++i) {
    steps.push_back(
        {static_cast<ModelStep::Kind>(kinds(random)), random() % 1000, random() % 1000});
  }
  return steps;
}

}  // namespace entropyd
