// A cron expression from a few choices, and back; any other expression stays as typed.

export type Rhythm = 'minutes' | 'hourly' | 'daily' | 'weekly' | 'monthly'

export interface Choices {
  rhythm: Rhythm
  /** Interval in minutes. */
  step: number
  minute: number
  hour: number
  /** 0 is Sunday. */
  weekdays: number[]
  /** 1 to 31, or 0 for the last. */
  day: number
}

export const PLAIN: Choices = { rhythm: 'daily', step: 5, minute: 0, hour: 9, weekdays: [1, 2, 3, 4, 5], day: 1 }

/** The choices as a Unix expression of five fields. */
export function expressionOf({ rhythm, step, minute, hour, weekdays, day }: Choices): string {
  switch (rhythm) {
    case 'minutes':
      return `*/${step} * * * *`
    case 'hourly':
      return `${minute} * * * *`
    case 'daily':
      return `${minute} ${hour} * * *`
    case 'weekly':
      return `${minute} ${hour} * * ${[...weekdays].sort().join(',') || '*'}`
    case 'monthly':
      return `${minute} ${hour} ${day || 'L'} * *`
  }
}

/** The choices for an expression; null when there are none. */
export function choicesOf(expression: string): Choices | null {
  const fields = expression.trim().split(/\s+/)
  if (fields.length !== 5) return null
  const [minutes, hours, days, months, weekdays] = fields as [string, string, string, string, string]
  const minute = whole(minutes, 59)
  const hour = whole(hours, 23)
  const step = /^\*\/(\d+)$/.exec(minutes)?.[1]
  const only = (...rest: string[]) => rest.every((field) => field === '*')
  if (step && only(hours, days, months, weekdays)) return { ...PLAIN, rhythm: 'minutes', step: Number(step) }
  if (minute === null || months !== '*') return null
  if (only(hours, days, weekdays)) return { ...PLAIN, rhythm: 'hourly', minute }
  if (hour === null) return null
  if (only(days, weekdays)) return { ...PLAIN, rhythm: 'daily', minute, hour }
  if (only(days)) {
    const chosen = weekdaysOf(weekdays)
    return chosen && { ...PLAIN, rhythm: 'weekly', minute, hour, weekdays: chosen }
  }
  const day = days === 'L' ? 0 : whole(days, 31)
  return only(weekdays) && day !== null ? { ...PLAIN, rhythm: 'monthly', minute, hour, day } : null
}

function whole(text: string, most: number): number | null {
  return /^\d+$/.test(text) && Number(text) <= most ? Number(text) : null
}

/** "1-5" and "0,6" as numbers. */
function weekdaysOf(text: string): number[] | null {
  const days: number[] = []
  for (const part of text.split(',')) {
    const [first, last = first] = part.split('-').map((day) => whole(day, 7))
    if (first === null || first === undefined || last === null || last === undefined || last < first) return null
    for (let day = first; day <= last; day += 1) days.push(day % 7)
  }
  return [...new Set(days)]
}
