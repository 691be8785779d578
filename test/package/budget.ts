/**
 * What an app pays for the package, at most. Each figure is about a fifth above what was measured, so that code can grow and a
 * mistake shows: a folder that should not be there, or a dependency that brings a tree. Raise a figure together with its reason.
 */
export const BUDGET = {
  /**
   * Bytes that an install downloads for the package itself. Measured: 1.6 MB, a fifth of it for clients of App Services. More than half of it are the sources, the
   * maps and the guides. They stay, because a debugger steps into the sources, and error messages name installed pages.
   */
  packedBytes: 1_900_000,
  /** Bytes on the disk. Measured: 6.3 MB, of which the compiled code is 1.5 MB. */
  unpackedBytes: 7_600_000,
  /** Measured: 2,378. Each file of `lib/` is five: itself, the code, the types, and a map of each. */
  files: 2_900,
  /** Bytes of the largest file. Measured: 75 kB, `docs/reference/options.md`. A bundle or a picture would be larger. */
  largestFileBytes: 90_000,
  /**
   * Packages that an app with Express and a driver gets in addition. Measured: 32. Sixteen come with jsonwebtoken and
   * passport-jwt, eleven with the types of Express, and two with argon2id for one platform.
   */
  addedPackages: 36,
  /**
   * Bytes of these packages, without the package itself. Measured: 9.2 MB. The largest are lru-cache (3.3 MB), the types of
   * Node (2.6 MB) and valibot (1.9 MB), which publish several builds and their maps.
   */
  addedBytes: 11_000_000,
} as const
