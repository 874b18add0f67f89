#include "hostagent/serving/filler_news.h"

#include "gtest/gtest.h"
#include "tests/hostagent/fake_filled_class.h"

namespace entropyd {
namespace {

class FillerNewsTest : public testing::Test {
 protected:
  void SetUp() override { news_.SetFiller(&filler_); }
  // What the filler was told, beside what it knew.
  int Told() {
    const int before = filler_.demands;
    news_.Tell();
    return filler_.demands - before;
  }

  FakeFiller filler_;
  FillerNews news_;
};

TEST_F(FillerNewsTest, WithoutNewsNobodyIsTold) {
  EXPECT_FALSE(news_.untold());
  news_.Note(0, 0, false);
  EXPECT_FALSE(news_.untold()) << "nobody is there, as before";
  EXPECT_EQ(Told(), 0);
}

TEST_F(FillerNewsTest, ABufferThatMayWantMoreIsNewsEachTime) {
  for (int i = 0; i < 2; ++i) {
    news_.Note(0, 0, true);
    EXPECT_TRUE(news_.untold());
    EXPECT_EQ(Told(), 1);
    EXPECT_FALSE(news_.untold());
  }
}

TEST_F(FillerNewsTest, ANumberIsNewsOnce) {
  news_.Note(2, 0, false);
  EXPECT_EQ(Told(), 1);
  news_.Note(2, 0, false);
  EXPECT_EQ(Told(), 0);
  news_.Note(2, 1, false);
  EXPECT_EQ(Told(), 1) << "one of them waits now";
  news_.Note(1, 1, false);
  EXPECT_EQ(Told(), 1);
}

TEST_F(FillerNewsTest, WhatIsNotToldAtOnceIsToldLater) {
  news_.Note(1, 1, true);
  news_.Note(1, 1, false);  // nothing new since
  EXPECT_TRUE(news_.untold());
  EXPECT_EQ(Told(), 1);
}

TEST_F(FillerNewsTest, AResumeIsToldApartFromTheDemand) {
  news_.Note(1, 0, false);
  news_.Resumed();
  EXPECT_EQ(filler_.resumes, 1);
  EXPECT_TRUE(news_.untold());
}

TEST_F(FillerNewsTest, WithoutAFillerNewsIsForgotten) {
  news_.SetFiller(nullptr);
  news_.Note(1, 1, true);
  news_.Tell();
  news_.Resumed();
  news_.SetFiller(&filler_);
  EXPECT_EQ(Told(), 0);
  EXPECT_EQ(filler_.resumes, 0);
}

}  // namespace
}  // namespace entropyd
