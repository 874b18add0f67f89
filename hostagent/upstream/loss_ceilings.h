// What each class of this host may give by itself in a loss. A class shares the ceilings of those
// above it on the server. In a loss nobody divides them. So each class that serves from this host
// then gets a fixed part of each ceiling, in proportion to its rate. Together they stay below the
// ceiling, and each keeps at least its rate.
//
//   LossCeilings ceilings({gold_buffer, bulk_buffer});
//   ceilings.Tell(*gold_buffer, state);           // what a server says of the class
//
// The latest figure counts, from any server. Hosts do not know of each other, so each may give as
// much.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/wire/attach_limits.h"
#include "hostagent/serving/class_buffer.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class LossCeilings {
 public:
  // A server may say anything about up to 64 classes. For each class this many ceilings count,
  // those of the nearest classes, and no name that is longer than a class's name may be.
  static constexpr size_t kMaxAbove = kMaxCeilingsAbove;
  static constexpr size_t kMaxNameBytes = 2 * 256 + 1;

  // The buffers outlive it.
  explicit LossCeilings(const std::vector<ClassBuffer*>& buffers);

  // Takes rate and ceilings of a state, and tells each class whose part has changed. REQUIRES: not
  // CLOSED, which bears no figures; the class's buffer is one of those here.
  void Tell(const ClassBuffer& of, const v1::ChannelState& state);

 private:
  struct Figures {
    // Its class's.
    ClassBuffer* buffer = nullptr;
    bool told = false;
    uint64_t rate = 0;
    // The smallest of all; 0 = none.
    uint64_t ceil = 0;
    // The classes above that have one.
    std::vector<std::string> above = {};
  };

  // A class above that has a ceiling.
  struct Shared {
    // As told last.
    uint64_t ceil = 0;
    // Of those below it that give bytes in a loss.
    double rates = 0;
  };

  // Sums the rates, and forgets what is above no class any more.
  void Count();
  uint64_t PartOf(const Figures& figures) const;

  // One for each class.
  std::vector<Figures> figures_;
  std::map<std::string, Shared> shared_;
};

}  // namespace entropyd
