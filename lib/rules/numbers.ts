/** An exact number: an integer of any size, or a fraction of two. */
interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** A number of any BSON type. */
export type Numeric = number | Fraction

/** Beyond what a Decimal128 can hold, 10 to the power of it would take for ever. */
const MAX_SCALE = 10_000
const DECIMAL = /^([+-]?\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/i

/** The exact number of a decimal text, as `Decimal128` and `Long` write themselves. */
export function parseNumeric(text: string): Numeric | undefined {
  const [, whole, digits = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  if (whole === undefined) return /^(?:NaN|-?Infinity)$/.test(text) ? Number(text) : undefined
  const scale = Number(exponent) - digits.length
  if (Math.abs(scale) > MAX_SCALE) return undefined
  return {
    numerator: BigInt(whole + digits) * 10n ** BigInt(Math.max(scale, 0)),
    denominator: 10n ** BigInt(Math.max(-scale, 0)),
  }
}

/** The exact number of a bigint. */
export function toNumeric(value: bigint): Numeric {
  return { numerator: value, denominator: 1n }
}

/**
 * Below, at or above zero as `left` is less than, equal to or greater than `right`, whatever their types: no rounding
 * makes two equal. NaN is comparable to NaN alone, as in MongoDB.
 */
export function compareNumbers(left: Numeric, right: Numeric): number | undefined {
  if (Number.isNaN(left) || Number.isNaN(right)) {
    return Number.isNaN(left) && Number.isNaN(right) ? 0 : undefined
  }
  if (isDirect(left) || isDirect(right)) return sign(toApproximate(left), toApproximate(right))
  const [one, other] = [toFraction(left), toFraction(right)]
  return sign(one.numerator * other.denominator, other.numerator * one.denominator)
}

/** Infinity is beyond every fraction, so that their nearest double will do. */
function isDirect(value: Numeric): boolean {
  return value === Infinity || value === -Infinity
}

function toApproximate(value: Numeric): number {
  return typeof value === 'number' ? value : 0
}

/** Every finite double is an integer times a power of two. */
function toFraction(value: Numeric): Fraction {
  if (typeof value !== 'number') return value
  let [scaled, denominator] = [value, 1n]
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    denominator *= 2n
  }
  return { numerator: BigInt(scaled), denominator }
}

function sign<T extends number | bigint>(left: T, right: T): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
