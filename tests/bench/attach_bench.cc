// The programs of the Attach benchmark in one binary. tests/bench/bench.py starts them and computes
// the ratios.
//
//   bench_attach attach      HOST:PORT CERT KEY CA CLASS SESSIONS SECONDS CHANNELS WINDOW
//   bench_attach idle        HOST:PORT CERT KEY CA CLASS SESSIONS SECONDS
//   bench_attach bare-server HOST:PORT CERT KEY CA PORTS_FILE MESSAGE
//   bench_attach bare        HOST:PORT CERT KEY CA STREAMS SECONDS
//   bench_attach tls-server  HOST:PORT CERT KEY CA PORTS_FILE MESSAGE
//   bench_attach tls         HOST:PORT CERT KEY CA STREAMS SECONDS
//
// With several CHANNELS, they are in CLASS0, CLASS1 and so on: a stream has one channel per class.
// WINDOW is the credit in bytes of each of the CHANNELS of a session. It is renewed when half of it
// is used, as the agent's buffers do. MESSAGE is how many bytes the references write at once. A
// client prints one JSON line: {"bytes", "messages", "seconds", "cpu_seconds"}. The CPU time is
// that of this process during the measured interval.
#include "tests/bench/attach_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/process/clock.h"
#include "base/process/malloc_pages.h"
#include "client/attach_ledger.h"
#include "client/entropy_stream.h"

namespace entropyd::bench {

tls::Material LoadOrDie(const Endpoint& endpoint) {
  auto material = tls::LoadMaterial(endpoint.cert, endpoint.key, endpoint.ca, "", absl::Now());
  if (!material.ok()) {
    fprintf(stderr, "bench_attach: %s\n", material.status().ToString().c_str());
    exit(1);
  }
  return *std::move(material);
}

std::shared_ptr<grpc::Channel> ChannelOrDie(const Endpoint& endpoint) {
  config::v1::ClientTls tls;
  tls.set_cert(endpoint.cert);
  tls.set_key(endpoint.key);
  tls.set_ca(endpoint.ca);
  auto channel = MakeChannel(endpoint.address, tls, absl::Now());
  if (!channel.ok()) {
    fprintf(stderr, "bench_attach: %s\n", channel.status().ToString().c_str());
    exit(1);
  }
  return *std::move(channel);
}

namespace {

using Seconds = std::chrono::duration<double>;

// What all sessions count together.
struct Tally {
  std::atomic<bool> counting{false};
  std::atomic<uint64_t> bytes{0}, messages{0};
};

// A session with `channels` channels. Each keeps `window` bytes of credit ahead, and renews it when
// half is used. gRPC's threads handle the messages, one at a time, as in the bare stream.
class Session {
 public:
  Session(const Endpoint& endpoint, const std::string& class_name, int number, int channels,
          uint64_t window, Tally* tally)
      : window_(window),
        tally_(tally),
        stream_(EntropyStream::Start(ChannelOrDie(endpoint), [this] { OnWake(); })) {
    v1::AgentMessage hello;
    hello.mutable_hello()->set_version_min(1);
    hello.mutable_hello()->set_version_max(1);
    std::string host_id(16, '\0');
    memcpy(host_id.data(), &number, sizeof number);
    hello.mutable_hello()->set_host_id(host_id);
    stream_->Send(hello);
    for (int i = 0; i < channels; ++i) {
      channels_.push_back(ledger_.Open().value());
      v1::AgentMessage open;
      open.mutable_open()->set_channel(channels_.back());
      // A stream has one channel per class.
      open.mutable_open()->set_class_(channels == 1 ? class_name : absl::StrCat(class_name, i));
      stream_->Send(open);
    }
    HandleUntilQuiet(1);
  }

  // From here on wake-ups are counted, not handled.
  ~Session() {
    int quiet = 0;
    while (!wakes_.compare_exchange_weak(quiet, 1)) {
      quiet = 0;
      std::this_thread::yield();
    }
  }

  bool open() const { return open_; }

 private:
  [[noreturn]] static void Die(const absl::Status& status) {
    fprintf(stderr, "bench_attach: %s\n", status.ToString().c_str());
    exit(1);
  }

  // The thread with the first wake-up also handles those that come meanwhile.
  void OnWake() {
    if (wakes_.fetch_add(1) == 0) HandleUntilQuiet(1);
  }
  void HandleUntilQuiet(int seen) {
    do {
      while (auto message = stream_->TryNext()) Handle(message->view());
      if (stream_->finished()) Die(*stream_->finished());
    } while (!wakes_.compare_exchange_strong(seen, 0));
  }

  void Handle(const absl::StatusOr<ServerMessageView>& view) {
    const absl::Status accepted = view.ok() ? ledger_.Accept(*view) : view.status();
    if (!accepted.ok()) Die(accepted);
    if (!view->grants.empty() && tally_->counting) {
      for (const GrantView& grant : view->grants) tally_->bytes += grant.bytes;
      ++tally_->messages;
    }
    for (const v1::ChannelState& state : view->head.state()) {
      if (state.phase() == v1::PHASE_CLOSED) Die(absl::UnknownError(state.reason()));
      open_ = true;
    }
    if (window_ > 0) RenewCredit();
  }

  void RenewCredit() {
    v1::AgentMessage credit;
    for (const uint32_t channel : channels_) {
      if (ledger_.Find(channel)->promised() > window_ / 2) continue;
      ledger_.Promise(channel, window_);
      *credit.mutable_credit()->add_line() = ledger_.TakeLine(channel, 1);
    }
    if (credit.has_credit()) stream_->Send(credit);
  }

  const uint64_t window_;
  Tally* const tally_;
  std::atomic<int> wakes_{1};  // not 0 = a thread handles them; at first the constructor does
  std::atomic<bool> open_{false};
  AttachLedger ledger_;
  std::vector<uint32_t> channels_;
  std::unique_ptr<EntropyStream> stream_;
};

Transfer DrawAttach(const Endpoint& endpoint, const std::string& class_name, int sessions,
                    double seconds, int channels, uint64_t window) {
  Tally tally;
  std::vector<std::unique_ptr<Session>> drawing;
  for (int i = 0; i < sessions; ++i) {
    drawing.push_back(std::make_unique<Session>(endpoint, class_name, i, channels, window, &tally));
  }
  std::this_thread::sleep_for(Seconds(seconds / 10));
  const auto start = std::chrono::steady_clock::now();
  tally.counting = true;
  std::this_thread::sleep_for(Seconds(seconds));
  tally.counting = false;
  return {tally.bytes, tally.messages, Seconds(std::chrono::steady_clock::now() - start).count()};
}

int Idle(const Endpoint& endpoint, const std::string& class_name, int sessions, double seconds) {
  Tally tally;
  std::vector<std::unique_ptr<Session>> held;
  for (int i = 0; i < sessions; ++i) {
    held.push_back(std::make_unique<Session>(endpoint, class_name, i, /*channels=*/1,
                                             /*window=*/0, &tally));
  }
  for (auto& session : held) {
    while (!session->open()) std::this_thread::sleep_for(Seconds(0.001));
  }
  printf("attached %d\n", sessions);
  fflush(stdout);
  std::this_thread::sleep_for(Seconds(seconds));
  return 0;
}

void Print(const Transfer& transfer) {
  printf("{\"bytes\": %llu, \"messages\": %llu, \"seconds\": %.4f, \"cpu_seconds\": %.4f}\n",
         static_cast<unsigned long long>(transfer.bytes),
         static_cast<unsigned long long>(transfer.messages), transfer.seconds, CpuSeconds());
}

int Usage() {
  fprintf(stderr,
          "usage: bench_attach attach|idle|bare-server|bare|tls-server|tls HOST:PORT CERT "
          "KEY CA …; see the head of attach_bench.cc\n");
  return 2;
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  KeepFreedPages();  // as the programs do; the references profit, too
  signal(SIGPIPE, SIG_IGN);
  if (argc < 7) return Usage();
  const absl::Status tls13 = tls::RequireTls13();
  if (!tls13.ok()) {
    fprintf(stderr, "bench_attach: %s\n", tls13.ToString().c_str());
    return 1;
  }
  const std::string mode = argv[1];
  const Endpoint endpoint = {argv[2], argv[3], argv[4], argv[5]};
  if (argc < 8) return Usage();
  if (mode == "bare-server") return ServeBare(endpoint, argv[6], strtoul(argv[7], nullptr, 10));
  if (mode == "tls-server") return ServeTls(endpoint, argv[6], strtoul(argv[7], nullptr, 10));
  if (mode == "bare") {
    Print(DrawBare(endpoint, atoi(argv[6]), atof(argv[7])));
  } else if (mode == "tls") {
    Print(DrawTls(endpoint, atoi(argv[6]), atof(argv[7])));
  } else if (mode == "attach" && argc == 11) {
    Print(DrawAttach(endpoint, argv[6], atoi(argv[7]), atof(argv[8]), atoi(argv[9]),
                     strtoul(argv[10], nullptr, 10)));
  } else if (mode == "idle" && argc == 9) {
    return Idle(endpoint, argv[6], atoi(argv[7]), atof(argv[8]));
  } else {
    return Usage();
  }
  return 0;
}

}  // namespace
}  // namespace entropyd::bench

int main(int argc, char** argv) { return entropyd::bench::Main(argc, argv); }
