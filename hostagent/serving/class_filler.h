// The interface between a class and upstream, which fills its buffer. Neither knows more of the
// other.
//
//   filled->SetFiller(&filler);             // at the start
//   filled->buffer()->Append(bytes);        // down; then
//   filled->OnArrival();
//   filled->OnUpstream(state);              // down, whenever it has changed
//   filler->OnDemand();                     // up, whenever it may have changed
//   filler->OnResume();                     // up, when another process may have the same bytes
//
// Errors: none.
//
// Thread safety: none; both belong to the event loop's thread.
#pragma once

#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/upstream_state.h"

namespace entropyd {

// Fills the buffer of one class.
class ClassFiller {
 public:
  virtual ~ClassFiller() = default;

  // The buffer may want more, or the number of the class's guests has changed.
  virtual void OnDemand() = 0;
  // The machine was resumed, and the class has dropped its buffer. Bytes on their way to it may
  // also go to another copy of this process: they must not come in.
  virtual void OnResume() = 0;
};

// A class as its filler sees it.
class FilledClass {
 public:
  virtual ~FilledClass() = default;

  // Always the same one.
  virtual ClassBuffer* buffer() = 0;
  // Bytes were appended to the buffer. It may call ClassFiller::OnDemand(), and nothing else of its
  // filler.
  virtual void OnArrival() = 0;
  // What upstream is to the class has changed. It may call OnDemand(), and nothing else of its
  // filler.
  virtual void OnUpstream(const UpstreamState& state) = 0;

  // From now on this filler hears of the demand; nullptr = nobody does.
  virtual void SetFiller(ClassFiller* filler) = 0;
};

}  // namespace entropyd
