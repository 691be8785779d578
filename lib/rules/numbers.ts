/** A number that is neither a double nor an integer: what a Decimal128 such as 0.1 is. */
interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** A number of any BSON type, exact. JavaScript compares doubles and bigints exactly, so only fractions need care. */
export type Numeric = number | bigint | Fraction

/** A Decimal128 has exponents up to 6,144. A power of ten far beyond that would take very long. */
const MAX_SCALE = 10_000
const DECIMAL = /^([+-]?\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/i

/** Converts the text that `Decimal128` and `Long` give by `toString()`; `undefined` for any other text. */
export function parseNumeric(text: string): Numeric | undefined {
  const [, whole, digits = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  if (whole === undefined) return /^(?:NaN|-?Infinity)$/.test(text) ? Number(text) : undefined
  const scale = Number(exponent) - digits.length
  if (Math.abs(scale) > MAX_SCALE) return undefined
  const coefficient = BigInt(whole + digits)
  if (scale >= 0) return coefficient * 10n ** BigInt(scale)
  return { numerator: coefficient, denominator: 10n ** BigInt(-scale) }
}

/**
 * The result is below, at or above zero as `left` is less than, equal to or greater than `right`. Nothing is rounded, so two
 * different numbers are never equal. As in MongoDB, NaN equals NaN and has no order with other numbers: `undefined`.
 */
export function compareNumbers(left: Numeric, right: Numeric): number | undefined {
  if (Number.isNaN(left) || Number.isNaN(right)) {
    return Number.isNaN(left) && Number.isNaN(right) ? 0 : undefined
  }
  if (typeof left === 'object') return compareFraction(left, right)
  if (typeof right === 'object') return -compareFraction(right, left)
  return sign(left, right)
}

function compareFraction({ numerator, denominator }: Fraction, other: Numeric): number {
  if (other === Infinity || other === -Infinity) return sign(0, other)
  const right = toFraction(other)
  return sign(numerator * right.denominator, right.numerator * denominator)
}

/** Each finite double is an integer divided by a power of two. */
function toFraction(value: Numeric): Fraction {
  if (typeof value === 'object') return value
  let [numerator, denominator] = [value, 1n]
  while (typeof numerator === 'number' && !Number.isInteger(numerator)) {
    numerator *= 2
    denominator *= 2n
  }
  return { numerator: BigInt(numerator), denominator }
}

function sign(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1
  return left > right ? 1 : 0
}
