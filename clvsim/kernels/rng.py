"""Random numbers as a pure function of what they decide.

uniform = u01(mix(base + stream · c₁ + event · c₂)), base = mix(entity key ^ world key): nothing is consumed, so no
event can shift another's numbers. `mix` is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, variant 13 of
Stafford). Streams name the *decision*; interventions xor the hash of their name into `base`.
"""

import hashlib

import numpy as np

U64 = np.uint64
GOLDEN = U64(0x9E3779B97F4A7C15)
STREAM = U64(0xD1342543DE82EF95)

(
    ALIVE,
    RATE,
    ATTRITION_TIME,
    ATTRITION_ORDER,
    SPEND,
    LIFETIME,
    GAP,
    AMOUNT,
    OFFER,
    REFUND,
    OPT_OUT,
    ARRIVAL_GAP,
    ARRIVAL_COUNT,
    ARRIVAL_DAY,
    EFFECT,
    SHOCK,
    COMPONENT,
    OPPORTUNITY,
    SHARE_PAID,
    PAID,
    BIRTHDAY,
    MEMBER_CHURN,
    CONVERSION,
    RENEWAL,
    CARD,
    HELD_OUT,
    ANSWER,
    REDEEM,
    SAMPLED,
) = range(1, 30)


def text_key(text: str) -> np.uint64:
    """Stable 64-bit key of a name or customer id (BLAKE2b), the same in every process and version."""
    return U64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def text_keys(texts) -> np.ndarray:
    """Keys of many texts, shape (n,), uint64."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def mix_array(z: np.ndarray) -> np.ndarray:
    """`mix` on an array, for keys that are made once per world or per newcomer."""
    z = np.asarray(z, np.uint64)
    with np.errstate(over="ignore"):
        z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
        return z ^ (z >> U64(31))


def entity_uniforms(keys: np.ndarray, stream: int) -> np.ndarray:
    """Uniform of each entity by its key alone, whatever the seed and the world, (n,)."""
    with np.errstate(over="ignore"):
        return unit(mix_array(mix_array(keys) + U64(stream) * STREAM))


def unit(z: np.ndarray) -> np.ndarray:
    """Uniforms strictly between 0 and 1 from mixed bits."""
    return ((z >> U64(11)).astype(np.float64) + 0.5) / 9007199254740992.0


def world_keys(seed: int, draws: np.ndarray, replicate: int) -> np.ndarray:
    """Keys of the worlds (draw, replicate) under one seed, shape of `draws`, uint64."""
    with np.errstate(over="ignore"):
        root = mix_array(np.asarray(text_key(f"seed {seed} replicate {replicate}")))
        return mix_array(root + (np.asarray(draws, np.uint64) + U64(1)) * GOLDEN)


def world_uniforms(keys: np.ndarray, name: str, stream: int = EFFECT, event: int = 0) -> np.ndarray:
    """Uniform of the entity "world" for an effect or shock called `name`, one per world."""
    with np.errstate(over="ignore"):
        base = mix_array(np.asarray(keys, np.uint64) ^ text_key("world " + name))
        return unit(mix_array(base + U64(stream) * STREAM + U64(event) * GOLDEN))
