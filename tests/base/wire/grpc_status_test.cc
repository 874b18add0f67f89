#include "base/wire/grpc_status.h"

#include "base/wire/answer_mark.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/answer.pb.h"

namespace entropyd {
namespace {

TEST(GrpcStatusTest, AnErrorOfOursIsAnAnswerAndOneOfGrpcIsNone) {
  const absl::Status drains = absl::UnavailableError("the server drains");
  EXPECT_TRUE(IsAnswer(FromGrpcWithMark(ToGrpc(drains))));
  EXPECT_EQ(FromGrpcWithMark(ToGrpc(drains)).message(), drains.message());
  EXPECT_EQ(FromGrpc(ToGrpc(drains)), drains) << "whoever does not ask sees no mark";
  const grpc::Status lost(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  EXPECT_FALSE(IsAnswer(FromGrpcWithMark(lost)));
  EXPECT_TRUE(FromGrpcWithMark(grpc::Status::OK).ok());
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).error_details().empty());
}

TEST(GrpcStatusTest, DetailsOfOthersAreNoMark) {
  v1::DetailedStatus others;
  others.add_details()->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  for (const std::string& details : {others.SerializeAsString(), std::string("\xff\xff")}) {
    const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "no healthy upstream", details);
    EXPECT_FALSE(IsAnswer(FromGrpcWithMark(status)));
  }
}

TEST(GrpcStatusTest, TheDetailsRepeatCodeAndMessageAsOtherLanguagesExpect) {
  const absl::Status status = absl::NotFoundError("no pool 'x\xff'");
  v1::DetailedStatus details;
  ASSERT_TRUE(details.ParseFromString(ToGrpc(status).error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(details.message(), status.message());
}

TEST(GrpcStatusTest, TheMarkGoesOnToAnotherError) {
  absl::Status answer = absl::NotFoundError("a");
  EXPECT_FALSE(IsAnswer(KeepAnswer(answer, absl::NotFoundError("b"))));
  MarkAnswer(&answer);
  EXPECT_TRUE(IsAnswer(KeepAnswer(answer, absl::NotFoundError("b"))));
  EXPECT_EQ(KeepAnswer(answer, absl::NotFoundError("b")).message(), "b");
}

}  // namespace
}  // namespace entropyd
