// Encrypting to a public key, against the vectors of RFC 9180; the files that such keys lie in.
#include "common/crypt/hpke.h"
#include "common/crypt/seal_key.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

std::string unhex(std::string_view hex) { return hex_decode(hex).value_or(""); }

// RFC 9180, A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode.
TEST(Hpke, AgreesWithTheRfcOnWhatBothSidesShare) {
  const SecretKey sender(unhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"));
  const SecretKey receiver(unhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"));
  const std::string enc = unhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
  const std::string to = unhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
  EXPECT_EQ(public_key_of(sender), enc);
  EXPECT_EQ(public_key_of(receiver), to);
  const std::optional<SecretKey> shared = hpke_shared(sender, to, enc, to);
  ASSERT_TRUE(shared);
  EXPECT_EQ(hex_encode(shared->view()), "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
  EXPECT_EQ(hpke_shared(receiver, enc, enc, to)->view(), shared->view());
  const HpkeKey key = hpke_schedule(*shared, 1, 16, unhex("4f6465206f6e2061204772656369616e2055726e"));
  EXPECT_EQ(hex_encode(key.key), "4531685d41d65f03dc48f6b8302c05b0");
  EXPECT_EQ(hex_encode(key.nonce), "56d890e5accaaf011cff4b7d");
}

TEST(Hpke, OpensWhatWasSealedAndNothingElse) {
  SystemRandom random;
  const SecretKey own(random.bytes(32));
  const std::string sealed = hpke_seal(public_key_of(own), "test", "bound", "text", random);
  EXPECT_EQ(sealed.size(), kHpkeBytes + 4);
  EXPECT_EQ(hpke_open(own, "test", "bound", sealed), "text");
  EXPECT_EQ(hpke_open(own, "other", "bound", sealed), std::nullopt);
  EXPECT_EQ(hpke_open(own, "test", "other", sealed), std::nullopt);
  EXPECT_EQ(hpke_open(SecretKey(random.bytes(32)), "test", "bound", sealed), std::nullopt);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string other = sealed;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_EQ(hpke_open(own, "test", "bound", other), std::nullopt) << i;
    EXPECT_EQ(hpke_open(own, "test", "bound", sealed.substr(0, i)), std::nullopt) << i;
  }
  EXPECT_NE(hpke_seal(public_key_of(own), "test", "bound", "text", random), sealed);
}

TEST(Hpke, TakesNoPointOfSmallOrderForAKey) {
  SystemRandom random;
  EXPECT_EQ(hpke_open(SecretKey(random.bytes(32)), "", "", std::string(kHpkeBytes, '\0')), std::nullopt);
  EXPECT_THROW((void)hpke_seal(std::string(32, '\0'), "", "", "text", random), Error);
}

TEST(SealKeys, HaveTheSameNameOnBothSidesAndParseAsTheyWereWritten) {
  SystemRandom random;
  const UnsealKey key = new_unseal_key(random);
  const SealKey seal = parse_seal_key(write_seal_key(key.sealing()));
  const UnsealKey unseal = parse_unseal_key(write_unseal_key(key));
  EXPECT_EQ(seal.name(), unseal.sealing().name());
  EXPECT_EQ(seal.name().size(), 32U);
  EXPECT_EQ(write_seal_key(seal).find(hex_encode(key.private_key.view())), std::string::npos);
  EXPECT_THROW((void)parse_seal_key(write_unseal_key(key)), Error);
  EXPECT_THROW((void)parse_unseal_key(write_seal_key(seal)), Error);
}

}  // namespace
}  // namespace bk
