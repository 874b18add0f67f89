// What the assembled server says about itself, and what it refuses to start without.
#include "server/server.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "tests/http_get.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/without_locks.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class GrpcServerTest : public ServerFixture {
 protected:
  std::string ConfigText() const override {
    return absl::StrReplaceAll(ServerFixture::ConfigText(),
                               {{"metrics: \"\"", "metrics: 127.0.0.1:0"}});
  }
  std::string Answer(const std::string& path) { return HttpGet(server_->http_port(), path); }
  // Looks again and again until the answer begins like this.
  bool Await(const std::string& path, const std::string& begins, absl::Duration step = {}) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (true) {
      clock_.Advance(step);
      if (absl::StartsWith(Answer(path), begins)) return true;
      if (absl::Now() > deadline) return false;
    }
  }
};

TEST_F(GrpcServerTest, ItIsReadyUntilItDrains) {
  EXPECT_TRUE(Await("/readyz", "HTTP/1.1 200 ")) << Answer("/readyz");
  BoundedContext context;
  v1::DrainResponse response;
  ASSERT_TRUE(v1::Admin::NewStub(Channel("operator"))->Drain(&context, {}, &response).ok());
  EXPECT_THAT(Answer("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("drains")));
  EXPECT_THAT(Answer("/healthz"), StartsWith("HTTP/1.1 200 ")) << "who drains is not ill";
}

// The clock runs away from the dispatcher's thread, as if that thread hung.
TEST_F(GrpcServerTest, ItIsIllWhileItsDispatcherHangs) {
  EXPECT_THAT(Answer("/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(Await("/healthz", "HTTP/1.1 503 ", absl::Hours(1)));
  EXPECT_TRUE(Await("/healthz", "HTTP/1.1 200 ")) << "until it runs";
}

TEST_F(GrpcServerTest, ItIsNotReadyOnceItsCertificateHasExpired) {
  EXPECT_TRUE(Await("/readyz", "HTTP/1.1 200 ")) << Answer("/readyz");
  clock_.Advance(absl::Hours(24 * 366 * 10));
  EXPECT_THAT(Answer("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "),
                                       HasSubstr("the server's certificate expired at ")));
}

TEST_F(GrpcServerTest, WithStrictMemoryItDoesNotStartWhereNothingCanBeLocked) {
  server_.reset();
  for (const bool strict : {false, true}) {
    absl::StatusOr<ServerPlan> plan =
        Plan(ConfigText() + (strict ? "strict_memory: true\n" : "strict_memory: false\n"));
    ASSERT_TRUE(plan.ok()) << plan.status();
    const WithoutLocks without_locks;
    const auto server = Server::Start(*std::move(plan), &clock_, &log_, {});
    EXPECT_EQ(server.ok(), !strict) << server.status();
    EXPECT_EQ(absl::IsResourceExhausted(server.status()), strict) << server.status();
  }
}

}  // namespace
}  // namespace entropyd
