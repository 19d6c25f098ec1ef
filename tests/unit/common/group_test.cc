#include "common/compress/group.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

#include <string>

namespace bk {
namespace {

std::string text(std::size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) out += "line " + std::to_string(i * 7919) + "\n";
  out.resize(size);
  return out;
}

void expect_refused(Codec codec, const std::string& bytes, std::uint32_t content_bytes,
                    const std::string& why = "") {
  try {
    (void)GroupDecoder().decode(codec, bytes, content_bytes);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Corrupt) << error.what();
    EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
  }
}

TEST(Group, ContentComesBack) {
  GroupEncoder encoder;
  GroupDecoder decoder;
  for (const std::size_t size : {0U, 1U, 255U, 256U, 70000U, 1U << 20U, 8U << 20U}) {
    const std::string content = text(size);
    const EncodedGroup group = encoder.encode(content);
    EXPECT_EQ(group.content_bytes, size);
    EXPECT_EQ(decoder.decode(group.codec, group.bytes, group.content_bytes), content);
  }
}

TEST(Group, ItsFrontIsDecodedAlone) {
  GroupDecoder decoder;
  for (const std::string& content : {text(1U << 20U), std::string("raw")}) {
    const EncodedGroup group = GroupEncoder().encode(content);
    for (const std::uint32_t front : {0U, 1U, 2U, 100'000U, 600'000U, 1U << 20U, 2U << 20U}) {
      EXPECT_EQ(decoder.decode_front(group.codec, group.bytes, group.content_bytes, front),
                content.substr(0, front));
    }
    EXPECT_EQ(decoder.decode(group.codec, group.bytes, group.content_bytes), content);
  }
  const EncodedGroup group = GroupEncoder().encode(text(1U << 20U));
  EXPECT_THROW(
      (void)decoder.decode_front(group.codec, group.bytes.substr(0, 2000), group.content_bytes, 1'000'000),
      Error);
  EXPECT_THROW((void)decoder.decode_front(group.codec, group.bytes, 1'000'000, 10), Error);
  EXPECT_EQ(decoder.decode_front(group.codec, group.bytes, group.content_bytes, 10), text(10));
}

TEST(Group, WhatDoesNotShrinkStaysRaw) {
  std::string dense;
  for (int i = 0; i < 256; ++i) dense += static_cast<char>(i);
  const EncodedGroup group = GroupEncoder().encode(dense);
  EXPECT_EQ(group.codec, Codec::Raw);
  EXPECT_EQ(group.bytes, dense);
}

TEST(Group, AnyFlippedBitIsNoticed) {
  const std::string content = text(3000);
  const EncodedGroup group = GroupEncoder().encode(content);
  ASSERT_EQ(group.codec, Codec::Zstd);
  GroupDecoder decoder;
  for (std::size_t bit = 0; bit < group.bytes.size() * 8; ++bit) {
    std::string damaged = group.bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    try {
      EXPECT_EQ(decoder.decode(group.codec, damaged, group.content_bytes), content) << bit;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Corrupt);
    }
  }
}

TEST(Group, ShortenedOrLengthenedFramesAreRefused) {
  const EncodedGroup group = GroupEncoder().encode(text(3000));
  for (std::size_t size = 0; size < group.bytes.size(); ++size)
    expect_refused(group.codec, group.bytes.substr(0, size), group.content_bytes);
  expect_refused(group.codec, group.bytes + '\0', group.content_bytes);
  expect_refused(group.codec, group.bytes + group.bytes, group.content_bytes);
}

TEST(Group, AnotherContentSizeIsRefused) {
  const EncodedGroup group = GroupEncoder().encode(text(3000));
  expect_refused(group.codec, group.bytes, 2999);
  expect_refused(group.codec, group.bytes, 3001);
  expect_refused(Codec::Raw, "abc", 4);
}

TEST(Group, BombsAreRefusedBeforeAllocation) {
  // By the reason: what is found later would be found after the memory was taken.
  const std::string kTooLong = "longer than a group may be", kTooWide = "window is too large";
  // A header that states 16 MiB, and one whose window is 1 GiB.
  expect_refused(Codec::Zstd, std::string("\x28\xB5\x2F\xFD\xA4\x00\x00\x00\x01", 9), 16U << 20U, kTooLong);
  expect_refused(Codec::Zstd, std::string("\x28\xB5\x2F\xFD\x84\xA0\x01\x00\x00\x00\x01\x00\x00", 13), 1,
                 kTooWide);
  expect_refused(Codec::Raw, "", kMaxGroupContent + 1, kTooLong);
}

TEST(Group, FramesWithoutChecksumOrSizeOrWithDictionaryAreRefused) {
  const EncodedGroup group = GroupEncoder().encode(text(3000));
  const auto with_flags = [&](unsigned flags) {
    std::string bytes = group.bytes;
    bytes[4] = static_cast<char>(flags);
    return bytes;
  };
  const auto flags = static_cast<unsigned char>(group.bytes[4]);
  expect_refused(Codec::Zstd, with_flags(flags & ~4U), group.content_bytes);
  expect_refused(Codec::Zstd, with_flags(flags | 1U), group.content_bytes);
  expect_refused(Codec::Zstd, with_flags(flags | 8U), group.content_bytes);
  expect_refused(Codec::Zstd, with_flags(flags & 0x1FU), group.content_bytes);
  // A skippable frame (RFC 8878 3.1.2) carries no content.
  expect_refused(Codec::Zstd, std::string("\x50\x2A\x4D\x18\x00\x00\x00\x00", 8), 0);
}

TEST(Group, AnUnknownCodecIsRefused) { expect_refused(static_cast<Codec>(9), "abc", 3); }

}  // namespace
}  // namespace bk
