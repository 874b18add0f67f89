// How any thread hands work to the dispatcher: a lock-free list of intrusive nodes that also says
// who may run the dispatcher.
//
// At any moment either exactly one thread owns the mailbox, and may touch everything the dispatcher
// owns, or the mailbox is asleep. A thread that posts to a sleeping mailbox becomes its owner and
// must run the dispatcher until TryRelease() succeeds. A thread that posts to an owned mailbox need
// do nothing more:
//
//   if (mailbox.Post(node, kRead)) {
//     do mailbox.Absorb([now](MailNode* node, uint32_t events) { node->OnMail(events, now); });
//     while (!mailbox.TryRelease());
//   }
//
// So a post is never lost and no post waits for a thread to be woken. One word holds both the list
// and the sleep, so there is no gap between "look again" and "sleep".
//
// A node carries event bits, and gives them their meaning. Posting to a queued node only adds bits.
// Nothing is allocated, and each node is queued at most once.
//
// Errors: none.
//
// Thread safety: Post() is safe; Absorb() and TryRelease() belong to the owner.
#pragma once

#include <atomic>
#include <cstdint>

namespace entropyd {

class MailNode {
 public:
  MailNode() = default;
  MailNode(const MailNode&) = delete;
  MailNode& operator=(const MailNode&) = delete;

  // The posted events have come. Runs as the owner. It may delete the node.
  virtual void OnMail(uint32_t events, int64_t now_nanos) = 0;

 protected:
  ~MailNode() = default;

 private:
  friend class Mailbox;
  MailNode* next_ = nullptr;
  // Not zero = the node is queued, or about to be.
  std::atomic<uint32_t> events_{0};
};

// Asks for a step and nothing else.
class TickNode final : public MailNode {
 public:
  void OnMail(uint32_t, int64_t) override {}
};

class Mailbox {
 public:
  Mailbox() : head_(&asleep_) {}

  // Adds `events` (not zero) to the node and queues it. True: the mailbox slept and the caller now
  // owns it. REQUIRES: the node lives until its owner has absorbed what was posted.
  bool Post(MailNode* node, uint32_t events) {
    if (node->events_.fetch_or(events, std::memory_order_acq_rel) != 0) return false;
    MailNode* head = head_.load(std::memory_order_relaxed);
    do {
      node->next_ = head == &asleep_ ? nullptr : head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return head == &asleep_;
  }

  // Calls handle(node, events) for everything posted, oldest first. `handle` may delete the node.
  // Returns the number of nodes. REQUIRES: owned by the caller.
  template <typename Handle>
  int Absorb(Handle handle) {
    return Absorb(handle, [] { return true; });
  }
  // The same, as long as go_on() is true; it is asked after each node. What is left is absorbed
  // first the next time, and until then TryRelease() fails.
  template <typename Handle, typename GoOn>
  int Absorb(Handle handle, GoOn go_on) {
    if (oldest_ == nullptr) TakePosted();
    int count = 0;
    while (oldest_ != nullptr) {
      MailNode* node = oldest_;
      // Before the exchange: from then on the node may be queued again.
      oldest_ = node->next_;
      handle(node, node->events_.exchange(0, std::memory_order_acq_rel));
      ++count;
      if (!go_on()) break;
    }
    return count;
  }

  // Gives up ownership. False: mail has come meanwhile and the caller is still the owner.
  bool TryRelease() {
    if (oldest_ != nullptr) return false;
    MailNode* expected = nullptr;
    return head_.compare_exchange_strong(expected, &asleep_, std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
  }

 private:
  // Takes what was posted, oldest first.
  void TakePosted() {
    MailNode* newest = head_.exchange(nullptr, std::memory_order_acq_rel);
    while (newest != nullptr) {
      MailNode* next = newest->next_;
      newest->next_ = oldest_;
      oldest_ = newest;
      newest = next;
    }
  }

  // The owner's: what it took and has not handled yet.
  MailNode* oldest_ = nullptr;
  // Only its address is used: the head of the list while nobody owns the mailbox.
  TickNode asleep_;
  std::atomic<MailNode*> head_;
};

}  // namespace entropyd
