// As long as it lives, getrandom(2) gives its thread zeros: a test can do what the code did again,
// and see that both give the same bytes. Other threads, and the vDSO's getrandom(), go on as ever.
//
//   FixedRandom zeros;
//   reader->Read(out, epoch);   // the same bytes as another reader with the same seed
//
// Thread safety: one at a time in a thread.
#pragma once

namespace entropyd {

class FixedRandom {
 public:
  FixedRandom();
  FixedRandom(const FixedRandom&) = delete;
  FixedRandom& operator=(const FixedRandom&) = delete;
  ~FixedRandom();
};

}  // namespace entropyd
