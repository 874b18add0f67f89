// Fakes of what surrounds the dispatcher: pools that count, and transports that remember.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/wire/attach_wire.h"
#include "server/attach/transport.h"
#include "server/dispatch/outlet.h"
#include "server/pool/pool.h"
#include "tests/fake_log.h"

namespace entropyd {

// A pool whose bytes count up, so that a test sees which bytes went to whom. With `salt` no eight
// bytes of it come again, nor those of a pool with another salt.
class FakePool final : public Pool {
 public:
  explicit FakePool(std::string name, v1::Quality quality = v1::QUALITY_DRBG)
      : name_(std::move(name)), quality_(quality) {
    state.phase = PoolState::Phase::kServing;
    state.seed_generation = 7;
  }

  const std::string& name() const override { return name_; }
  v1::Quality quality() const override { return quality_; }
  PoolState State() const override { return state; }
  uint64_t Available() const override { return state.ready() ? available : 0; }
  std::unique_ptr<PoolReader> NewReader() override { return std::make_unique<Reader>(this); }
  void SetChangeCallback(std::function<void()> callback) override {}

  PoolState state;
  uint64_t available = UINT64_MAX;
  absl::Status next_error;        // what the next Read() fails with, once
  std::function<void()> on_read;  // runs before each Read()
  uint64_t given = 0;
  int reads = 0;
  uint64_t salt = 0;

  // The byte at that place of all that it gives.
  uint8_t ByteAt(uint64_t place) const {
    if (salt == 0) return static_cast<uint8_t>(place);
    return static_cast<uint8_t>(WordAt(place / 8) >> (8 * (place % 8)));
  }
  // Eight bytes of it, lowest first, and where such a word stands.
  uint64_t WordAt(uint64_t number) const { return (number + 1) * kOdd ^ salt; }
  uint64_t NumberOf(uint64_t word) const { return (word ^ salt) * kInverse - 1; }

 private:
  static constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  static constexpr uint64_t kInverse = 0xf1de83e19937733d;
  static_assert(kOdd * kInverse == 1);

  class Reader final : public PoolReader {
   public:
    explicit Reader(FakePool* pool) : pool_(pool) {}
    absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) override {
      ++pool_->reads;
      if (pool_->on_read) pool_->on_read();
      if (!pool_->next_error.ok()) return std::exchange(pool_->next_error, absl::OkStatus());
      if (epoch != pool_->state.discard_epoch) return absl::AbortedError("epoch has passed");
      if (pool_->Available() < out.size()) return absl::UnavailableError("fewer bytes stored");
      if (pool_->available != UINT64_MAX) pool_->available -= out.size();
      for (uint8_t& byte : out) byte = pool_->ByteAt(pool_->given++);
      return pool_->state.seed_generation;
    }

   private:
    FakePool* const pool_;
  };

  const std::string name_;
  const v1::Quality quality_;
};

// A message as its receiver sees it. It owns the bytes that the view points into.
struct Received {
  explicit Received(MessageBuffer message) : buffer(std::move(message)) {
    const absl::Span<const uint8_t> slice(buffer.data(), buffer.size());
    view = ParseServerMessage({slice}).value();
  }
  MessageBuffer buffer;
  ServerMessageView view;
};

class FakeTransport final : public Transport {
 public:
  // What happened. It outlives the transport.
  struct Record {
    int reads = 0;
    bool cancelled = false;
    bool finished = false;
    int finishes = 0;  // calls of Finish()
    bool deleted = false;
    absl::Status status;
    std::vector<std::unique_ptr<Received>> messages;
  };
  explicit FakeTransport(Record* record) : record_(record) {}
  ~FakeTransport() override { record_->deleted = true; }

  void Send(MessageBuffer message) override {
    record_->messages.push_back(std::make_unique<Received>(std::move(message)));
  }
  void Finish(const absl::Status& status) override {
    record_->finished = true;
    ++record_->finishes;
    record_->status = status;
  }
  void StartRead() override { ++record_->reads; }
  void Cancel() override { record_->cancelled = true; }

 private:
  Record* const record_;
};

class FakeOutlet final : public Outlet {
 public:
  struct Record {
    bool done = false;
    int finishes = 0;  // calls of Finish()
    absl::Status status;
    v1::GetResponse response;
  };
  explicit FakeOutlet(Record* record) : record_(record) {}
  void Send(MessageBuffer message) override {
    record_->done =
        record_->response.ParseFromArray(message.data(), static_cast<int>(message.size()));
  }
  void Finish(const absl::Status& status) override {
    record_->done = true;
    ++record_->finishes;
    record_->status = status;
  }

 private:
  Record* const record_;
};

}  // namespace entropyd
