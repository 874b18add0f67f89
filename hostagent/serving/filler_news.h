// What the filler of a class already knows of the demand, and what it has to hear next.
//
//   FillerNews news;
//   news.SetFiller(&filler);
//   news.Note(guests, waiting, /*wants=*/buffer_is_low);   // after each pass
//   if (!later) news.Tell();                               // OnDemand(), if there is any news
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <utility>

#include "hostagent/serving/class_filler.h"

namespace entropyd {

class FillerNews {
 public:
  // nullptr = nobody is told.
  void SetFiller(ClassFiller* filler) { filler_ = filler; }

  // The class has this many guests now, of whom this many wait. `wants`: the buffer may want more.
  // It is news when that is so, or when one of the numbers has changed.
  void Note(uint32_t guests, uint32_t waiting, bool wants) {
    if (wants || guests != guests_ || waiting != waiting_) untold_ = true;
    guests_ = guests;
    waiting_ = waiting;
  }
  // There is news that nobody has heard yet.
  bool untold() const { return untold_; }
  // Tells it. What was told is no news any more, also when there was nobody to tell.
  void Tell() {
    if (std::exchange(untold_, false) && filler_ != nullptr) filler_->OnDemand();
  }
  // Tells that what is on its way now must not come in (ClassFiller::OnResume).
  void Resumed() {
    if (filler_ != nullptr) filler_->OnResume();
  }

 private:
  ClassFiller* filler_ = nullptr;
  bool untold_ = false;
  // The numbers last noted.
  uint32_t guests_ = 0;
  uint32_t waiting_ = 0;
};

}  // namespace entropyd
