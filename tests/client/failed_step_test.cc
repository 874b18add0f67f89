#include "client/failed_step.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/wire/connection_remedy.h"
#include "client/call_error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A port of this machine; with backlog < 0 nobody listens there.
class Port {
 public:
  explicit Port(int backlog) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address_), &size);
    if (backlog >= 0) listen(fd_.get(), backlog);
  }
  // Takes the places of those who wait, so that the kernel answers nobody any more.
  void Fill() {
    for (int i = 0; i < 4; ++i) {
      waiting_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      const int begun = connect(waiting_.back().get(), reinterpret_cast<const sockaddr*>(&address_),
                                sizeof address_);
      EXPECT_TRUE(begun == 0 || errno == EINPROGRESS);
    }
  }
  std::string text() const { return absl::StrCat("127.0.0.1:", ntohs(address_.sin_port)); }

 private:
  sockaddr_in address_{};
  UniqueFd fd_;
  std::vector<UniqueFd> waiting_;
};

absl::Status Silence() {
  return WithPatience(absl::DeadlineExceededError("Deadline Exceeded"), absl::Seconds(10));
}

absl::Status Told(const NameLookup::Answer& addresses, absl::Duration address = absl::Seconds(60)) {
  return TellStep(Silence(), "a:7743", "dns:///a:7743", {absl::Seconds(60), address},
                  [addresses](const std::string&) { return addresses; });
}

TEST(FailedStepTest, ANameThatIsNotFoundIsTheFirstStep) {
  const absl::Status told = Told(absl::UnavailableError("look up the name a: unknown"));
  EXPECT_TRUE(absl::IsUnavailable(told));
  EXPECT_EQ(told.message(), "name: look up the name a: unknown");
  EXPECT_THAT(std::string(ConnectionRemedy(told.message())), HasSubstr("getent ahosts"));
}

TEST(FailedStepTest, AddressesWhereNobodyTakesTheConnectionAreTheSecond) {
  const Port closed(-1);
  Port full(0);
  full.Fill();
  const absl::Status told =
      Told(NameLookup::Addresses{closed.text(), full.text()}, absl::Milliseconds(20));
  EXPECT_EQ(told.message(), absl::StrCat("TCP: no answer within 10s: ", closed.text(),
                                         ": Connection refused, ", full.text(), " says nothing"));
  const absl::Status silent = Told(NameLookup::Addresses{full.text()}, absl::Milliseconds(20));
  EXPECT_THAT(std::string(ConnectionRemedy(silent.message())), HasSubstr("firewall"));
}

TEST(FailedStepTest, OneThatTakesItAndSpeaksNoTlsIsTheThird) {
  const Port closed(-1), taking(4);
  const absl::Status told = Told(NameLookup::Addresses{closed.text(), taking.text()});
  EXPECT_THAT(std::string(told.message()),
              StartsWith(absl::StrCat("TLS: no answer within 10s: ", taking.text(), " takes")));
  EXPECT_THAT(std::string(ConnectionRemedy(told.message())), HasSubstr("does not speak TLS"));
}

TEST(FailedStepTest, AConnectionThatStandsNeedsNoLook) {
  const absl::Status told = TellStep(Silence(), "a:7743", "ipv4:192.0.2.7:7743", {},
                                     [](const std::string&) -> NameLookup::Answer { abort(); });
  EXPECT_EQ(told.message(), "connected, but no answer within 10s");
  EXPECT_THAT(std::string(ConnectionRemedy(told.message())), HasSubstr("says nothing"));
}

TEST(FailedStepTest, WhatGrpcSaysOfAConnectionBearsItsStep) {
  const auto told = [](const char* text) {
    return std::string(TellStep(absl::UnavailableError(text), "a:7743", "").message());
  };
  EXPECT_THAT(told("DNS resolution failed for a:1"), StartsWith("name: DNS"));
  EXPECT_THAT(told("failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
                   "Failed to connect to remote host: Connection refused"),
              AllOf(StartsWith("TCP: failed"), HasSubstr("refused")));
  EXPECT_THAT(told("failed to connect to all addresses; last error: Handshake read failed"),
              StartsWith("TLS: "));
}

TEST(FailedStepTest, WhatTheServerSaysStaysAsItIs) {
  for (const absl::Status& said :
       {absl::UnavailableError("the server stops"), absl::DeadlineExceededError("test took 60 s"),
        absl::PermissionDeniedError("no policy rule gives"), absl::OkStatus()}) {
    EXPECT_EQ(TellStep(said, "a:7743", "ipv4:192.0.2.7:7743"), said);
  }
}

}  // namespace
}  // namespace entropyd
