#include "server/rpc/open_calls.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/base/crypto/test_certs.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

class CountingCall final : public OpenCall {
 public:
  void ShutOut(const absl::Status& status) override {
    ++shut_out;
    why = status;
  }
  int shut_out = 0;
  absl::Status why;
};

class OpenCallsTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const tls::Trust> Trusting(const TestCa& ca) {
    const std::string path = "ca", pem = ca.cert_pem(), none;
    return tls::Trust::Create({path, pem}, {none, none}).value();
  }
  OpenCalls::Caller Caller() {
    return {.certificate = certificate_, .call = "Watch", .roles = {config::v1::ROLE_OPERATOR}};
  }

  const TestCa ca_{"CA"};
  ManualClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  config::v1::Server no_rules_;
  // Lets nobody in.
  Gate gate_{Policy::Create(no_rules_, {}).value(), Trusting(ca_), &clock_, &log_, &metrics_};
  std::shared_ptr<const PeerCertificate> certificate_ =
      std::make_shared<PeerCertificate>(ca_.Issue({.uris = {"spiffe://t/operator"}}).cert_pem, "");
  OpenCalls calls_;
};

TEST_F(OpenCallsTest, WhoMayNotComeInIsShutOutAtOnceAndAgain) {
  const auto call = std::make_shared<CountingCall>();
  calls_.Add(gate_, Caller(), call);
  EXPECT_EQ(call->shut_out, 1);
  EXPECT_TRUE(absl::IsPermissionDenied(call->why)) << call->why;
  calls_.Recheck(gate_);
  EXPECT_EQ(call->shut_out, 2);
}

TEST_F(OpenCallsTest, ThoseThatHaveEndedAreNotKeptForLong) {
  for (size_t i = 0; i < 10 * OpenCalls::kFewestSwept; ++i) {
    calls_.Add(gate_, Caller(), std::make_shared<CountingCall>());
    EXPECT_LE(calls_.entries(), OpenCalls::kFewestSwept);
  }
  std::vector<std::shared_ptr<CountingCall>> open;
  for (size_t i = 0; i < 10 * OpenCalls::kFewestSwept; ++i) {
    open.push_back(std::make_shared<CountingCall>());
    calls_.Add(gate_, Caller(), open.back());
  }
  for (size_t i = 0; i < 100 * OpenCalls::kFewestSwept; ++i) {
    calls_.Add(gate_, Caller(), std::make_shared<CountingCall>());
    EXPECT_LE(calls_.entries(), 2 * (open.size() + OpenCalls::kFewestSwept));
  }
  for (const auto& call : open) call->shut_out = 0;
  calls_.Recheck(gate_);
  for (const auto& call : open) EXPECT_EQ(call->shut_out, 1);
}

}  // namespace
}  // namespace entropyd
