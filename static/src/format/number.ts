// Numbers in words.

const counts = new Intl.NumberFormat('en')

/** "12,345". */
export function count(value: number): string {
  return counts.format(value)
}

/** "1 job", "12,345 jobs". */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`
}

/** "0.3", "12", "1,204": a rate, precise where it is small. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0'
  return perSecond < 10 ? String(Number(perSecond.toFixed(perSecond < 1 ? 2 : 1))) : count(Math.round(perSecond))
}
