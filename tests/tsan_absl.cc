// Tells ThreadSanitizer what absl's locks order. Debian's libabsl is not instrumented, so without
// this every use of absl::Mutex looks like a race. Linked into the test programs of the preset
// `tsan` only: these definitions stand before the library's, which they find with dlsym and call.
//
// Covers what this project uses (no CondVar, no LockWhen): a new kind of waiting gets a line here.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// The library's own member function, called by its mangled name as a function of `this`. Await and
// Unlock evaluate conditions of any waiter under the lock but after the release told below: these
// reads are ordered, and are not looked at.
template <typename Result, typename... Args>
Result CallNext(const char* mangled, Args... args) {
  void* next = dlsym(RTLD_NEXT, mangled);
  if (next == nullptr) {
    std::fprintf(stderr, "tsan_absl: libabsl has no %s\n", mangled);
    std::abort();
  }
  struct IgnoreReads {
    IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
    ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
  } ignore;
  return reinterpret_cast<Result (*)(Args...)>(next)(args...);
}

void* AddressOf(const void* lock) { return const_cast<void*>(lock); }
void Acquired(const void* lock) { __tsan_acquire(AddressOf(lock)); }
void WillRelease(const void* lock) { __tsan_release(AddressOf(lock)); }

}  // namespace

// "debian3" on Debian 12; with another inline namespace the names below need it.
#define ENTROPYD_ABSL "4absl7debian3"

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  CallNext<void>("_ZN" ENTROPYD_ABSL "5Mutex4LockEv", this);
  Acquired(this);
}

void Mutex::Unlock() {
  WillRelease(this);
  CallNext<void>("_ZN" ENTROPYD_ABSL "5Mutex6UnlockEv", this);
}

void Mutex::ReaderLock() {
  CallNext<void>("_ZN" ENTROPYD_ABSL "5Mutex10ReaderLockEv", this);
  Acquired(this);
}

void Mutex::ReaderUnlock() {
  WillRelease(this);
  CallNext<void>("_ZN" ENTROPYD_ABSL "5Mutex12ReaderUnlockEv", this);
}

void Mutex::Await(const Condition& condition) {
  WillRelease(this);
  CallNext<void>("_ZN" ENTROPYD_ABSL "5Mutex5AwaitERKNS0_9ConditionE", this, &condition);
  Acquired(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, absl::Duration timeout) {
  WillRelease(this);
  const bool held =
      CallNext<bool>("_ZN" ENTROPYD_ABSL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE",
                     this, &condition, timeout);
  Acquired(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, absl::Time deadline) {
  WillRelease(this);
  const bool held =
      CallNext<bool>("_ZN" ENTROPYD_ABSL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                     this, &condition, deadline);
  Acquired(this);
  return held;
}

void Notification::Notify() {
  WillRelease(this);
  CallNext<void>("_ZN" ENTROPYD_ABSL "12Notification6NotifyEv", this);
}

void Notification::WaitForNotification() const {
  CallNext<void>("_ZNK" ENTROPYD_ABSL "12Notification19WaitForNotificationEv", this);
  Acquired(this);
}

bool Notification::WaitForNotificationWithTimeout(absl::Duration timeout) const {
  const bool notified = CallNext<bool>(
      "_ZNK" ENTROPYD_ABSL "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE", this,
      timeout);
  if (notified) Acquired(this);
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl
