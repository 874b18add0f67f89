// What one identity may take of the assembled server's calls and connections.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "server/access/call_rates.h"
#include "server/door/connection_table.h"
#include "tests/server/rpc/reload_fixture.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class IdentityBoundsTest : public ReloadFixture {
 protected:
  std::string ConfigText() const override {
    return absl::StrCat(ReloadFixture::ConfigText(),
                        "max_calls_per_identity_per_second: 10\n"
                        "max_connections_per_identity: 2\n"
                        "max_streams_per_identity: 2\n");
  }
  static grpc::Status GetBy(const std::shared_ptr<grpc::Channel>& channel) {
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetRequest request;
    request.set_class_("default/secret");
    request.set_bytes(1);
    v1::GetResponse response;
    return v1::Entropy::NewStub(channel)->Get(&context, request, &response);
  }
};

// The server's clock stands still, as far as its limits are concerned, for as long as this runs.
TEST_F(IdentityBoundsTest, WhoMakesTooManyCallsIsRefusedAndThenItsConnectionEnds) {
  AttachReady("h1");  // the pool is ready
  const auto channel = Channel("reader");
  grpc::Status status;
  int made = 0;
  while ((status = GetBy(channel)).ok()) ++made;
  EXPECT_GE(made, 10 * CallRates::kBurstSeconds);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("Get: spiffe://test/reader makes more than 10 calls in a second "
                        "(max_calls_per_identity_per_second)"));
  EXPECT_GE(Count("entropyd_denials_total", "calls_per_identity"), 1);
  EXPECT_EQ(Count("entropyd_connections_refused_total", "calls"), 0);
  for (int i = 0; i < 2 * ConnectionTable::kMaxExcesses; ++i) GetBy(channel);
  EXPECT_TRUE(Await([&] { return Count("entropyd_connections_refused_total", "calls") >= 1; }));
  v1::GetResponse response;
  EXPECT_TRUE(Get("h2", "default/gold", 1, &response).ok()) << "others do not notice";
  Change("server.yaml", "per_second: 10", "per_second: 100000");
  TakeConfig();
  // A call on the connection that ends just now is UNAVAILABLE.
  EXPECT_TRUE(Await([&] { return Get("reader", "default/gold", 1, &response).ok(); }))
      << "a reload changes the limit";
}

TEST_F(IdentityBoundsTest, AReaderOpensNoMoreConnectionsThanItsShare) {
  AttachReady("h1");  // the pool is ready
  std::vector<std::shared_ptr<grpc::Channel>> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(Channel("reader"));
    EXPECT_TRUE(GetBy(held.back()).ok());
  }
  const auto third = Channel("reader");
  const grpc::Status status = GetBy(third);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("max_connections_per_identity"));
  EXPECT_EQ(Count("entropyd_denials_total", "connections_per_identity"), 1);
  v1::GetResponse response;
  EXPECT_TRUE(Get("h2", "default/gold", 1, &response).ok()) << "others do not notice";
  Change("server.yaml", "max_connections_per_identity: 2", "max_connections_per_identity: 3");
  TakeConfig();
  EXPECT_TRUE(GetBy(third).ok()) << "a reload changes the limit";
}

}  // namespace
}  // namespace entropyd
