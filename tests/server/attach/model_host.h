// A host of the model of Attach: the agent's upstream with the buffers of its classes, and guests
// who take from them.
#pragma once

#include <fcntl.h>
#include <poll.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/telemetry/metrics.h"
#include "gtest/gtest.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/upstream/upstream.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/server/attach/model_server.h"
#include "tests/server/attach/word_fates.h"
#include "tests/server/fakes.h"

namespace entropyd {

// A buffer that notes what comes and what goes.
class NotedBuffer final : public ClassBuffer {
 public:
  // `holder`: who it is for the fates.
  NotedBuffer(std::unique_ptr<ClassBuffer> buffer, int holder, WordFates* fates)
      : buffer_(std::move(buffer)), holder_(holder), fates_(fates) {}

  const std::string& class_name() const override { return buffer_->class_name(); }
  size_t size() const override { return buffer_->size(); }
  size_t level() const override { return buffer_->level(); }
  size_t target() const override { return buffer_->target(); }
  void Append(absl::Span<const uint8_t> bytes) override {
    buffer_->Append(bytes);
    // A piece of a message may end within a word.
    begun_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t whole = begun_.size() / WordFates::kWord * WordFates::kWord;
    fates_->Stored(holder_, absl::string_view(begun_).substr(0, whole));
    begun_.erase(0, whole);
  }
  size_t Take(absl::Span<uint8_t> out) override {
    NoteLevel();
    const size_t taken = buffer_->Take(out);
    fates_->Taken(holder_, View(out.subspan(0, taken)));
    return taken;
  }
  void Discard() override {
    buffer_->Discard();
    NoteLevel();
  }
  void SetDemand(const Demand& demand) override { buffer_->SetDemand(demand); }
  const Demand& demand() const override { return buffer_->demand(); }
  void Tick() override {
    buffer_->Tick();
    NoteLevel();
  }
  uint64_t WantMore(uint64_t promised) override {
    const uint64_t more = buffer_->WantMore(promised);
    NoteLevel();
    return more;
  }
  bool Spares(size_t bytes) const override { return buffer_->Spares(bytes); }
  uint64_t discarded_bytes() const override { return buffer_->discarded_bytes(); }

 private:
  static absl::string_view View(absl::Span<const uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void NoteLevel() { fates_->Left(holder_, buffer_->level() - begun_.size()); }

  const std::unique_ptr<ClassBuffer> buffer_;
  const int holder_;
  WordFates* const fates_;
  std::string begun_;  // the last bytes that came, of a word that is not whole yet
};

class ModelHost {
 public:
  static constexpr size_t kBuffer = 16 * 1024;

  // `dial` begins streams; it and the fates outlive the host.
  ModelHost(int number, uint64_t seed, const StreamDial& dial, const Clock* clock, WordFates* fates)
      : number_(number), clock_(clock), log_(clock), random_(seed) {
    const size_t classes = kModelClasses.size();
    arena_ = SecretArena::Create((classes + 1) * ClassBuffer::ArenaBytes(kBuffer),
                                 SecretArena::Locking::kBestEffort)
                 .value();
    std::vector<FilledClass*> filled;
    for (size_t i = 0; i < classes; ++i) {
      ClassBuffer::Options options;
      options.class_name = kModelClasses[i];
      options.size = kBuffer;
      options.max_age_nanos = 20 * kSecondNanos;
      buffers_.push_back(std::make_unique<NotedBuffer>(
          ClassBuffer::Create(options, arena_.get(), clock).value(), Holder(i), fates));
      classes_.push_back(std::make_unique<FakeFilledClass>(buffers_.back().get()));
      classes_.back()->on_arrival = [this, i] { Serve(i); };
      filled.push_back(classes_.back().get());
      owed_.push_back(0);
    }
    Upstream::Options options;
    options.servers = {"a:1", "b:1"};
    options.host_id = std::string(kHostIdBytes, static_cast<char>('A' + number));
    options.dial = dial;
    options.uniform = [this] { return std::uniform_real_distribution<double>(0, 1)(random_); };
    upstream_ = Upstream::Create(options, filled, clock, &log_, &metrics_).value();
  }

  int number() const { return number_; }
  // Two agents may have one identity.
  std::string identity() const { return "spiffe://test/" + std::to_string(number_ % 2); }
  // What the fates know the class's buffer by.
  int Holder(size_t of_class) const {
    return number_ * static_cast<int>(kModelClasses.size()) + static_cast<int>(of_class);
  }

  void Ask(size_t of_class, uint64_t words) {
    owed_[of_class] += words * WordFates::kWord;
    classes_[of_class]->Want(Demand(of_class));
  }
  // Guests take the bytes that are there and that they wait for.
  void Serve(size_t of_class) {
    std::vector<uint8_t> out(std::min<uint64_t>(owed_[of_class], buffers_[of_class]->level()));
    if (out.empty()) return;
    owed_[of_class] -= buffers_[of_class]->Take(absl::MakeSpan(out));
    classes_[of_class]->Want(Demand(of_class));
  }
  // As in the agent, classes let their bytes age once a second.
  void Process() {
    if (clock_->NowNanos() >= tick_at_) {
      tick_at_ = clock_->NowNanos() + kSecondNanos;
      for (auto& buffer : buffers_) buffer->Tick();
    }
    upstream_->Process();
  }
  // As the loop does.
  bool ProcessIfDue() {
    if (!Awake() && clock_->NowNanos() < upstream_->next_deadline_nanos()) return false;
    Process();
    return true;
  }
  // The virtual machine that this host may be was copied.
  void Copied() {
    for (auto& buffer : buffers_) buffer->Discard();
    classes_[0]->filler->OnResume();
  }
  // The agent's end.
  void End() { upstream_.reset(); }

  Upstream* upstream() { return upstream_.get(); }
  uint64_t owed() const { return owed_[0] + owed_[1] + owed_[2]; }
  uint64_t owed(size_t of_class) const { return owed_[of_class]; }
  bool Awake() const {
    pollfd p = {upstream_->wake_fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  // It found a message of a server wrong. An honest server sends none.
  std::string complaint() const {
    if (log_.Count("upstream.message.refused") == 0) return "";
    for (const std::string& line : log_.lines()) {
      if (absl::StartsWith(line, "error upstream.message.refused")) return line;
    }
    return "";
  }

 private:
  ClassBuffer::Demand Demand(size_t of_class) const {
    return {.guests = 2, .owed = owed_[of_class], .waiting_guests = owed_[of_class] > 0 ? 1u : 0u};
  }

  const int number_;
  const Clock* const clock_;
  FakeLog log_;
  Metrics metrics_;
  std::mt19937_64 random_;
  std::unique_ptr<SecretArena> arena_;
  std::vector<std::unique_ptr<NotedBuffer>> buffers_;
  std::vector<std::unique_ptr<FakeFilledClass>> classes_;
  std::vector<uint64_t> owed_;
  int64_t tick_at_ = 0;
  std::unique_ptr<Upstream> upstream_;
};

}  // namespace entropyd
