// States by colour and by word; never by colour alone.

import { clsx } from 'clsx'

type Tone = 'good' | 'bad' | 'busy' | 'warn' | 'lost' | 'calm'

/** The tone of each status of a job, an execution, a node, a user, a token or an operation. */
const TONES: Record<string, Tone> = {
  ACTIVE: 'good',
  PAUSED: 'warn',
  FAILING: 'bad',
  WAITING: 'warn',
  ENDED: 'calm',
  DELETED: 'calm',
  SUCCESS: 'good',
  FAILED: 'bad',
  RUNNING: 'busy',
  RETRYING: 'warn',
  CANCELLED: 'calm',
  LOST: 'lost',
  SKIPPED: 'calm',
  DRAINING: 'warn',
  LEFT: 'calm',
  DEAD: 'bad',
  DISABLED: 'calm',
  EXPIRED: 'calm',
  REVOKED: 'calm',
  DONE: 'good',
  REFUSED: 'bad',
}

const BADGES: Record<Tone, string> = {
  good: 'bg-good/10 text-good',
  bad: 'bg-bad/10 text-bad',
  busy: 'bg-busy/10 text-busy',
  warn: 'bg-warn/10 text-warn',
  lost: 'bg-lost/10 text-lost',
  calm: 'bg-faint/12 text-muted',
}

/** The custom property of a status's colour, for drawings. */
export function statusColour(status: string): string {
  const tone = TONES[status] ?? 'calm'
  return `var(--color-${tone === 'calm' ? 'faint' : tone})`
}

/** A status in a word. */
export function StatusBadge({ status, detail }: { status: string; detail?: string | null }) {
  const tone = TONES[status] ?? 'calm'
  return (
    <span
      data-status={status}
      className={clsx(
        'inline-flex h-5.5 items-center gap-1.5 rounded-full font-medium text-2xs whitespace-nowrap',
        // The usual state is quiet, so that the others are visible.
        status === 'ACTIVE' ? 'text-muted' : clsx('px-2', BADGES[tone]),
      )}
    >
      <span
        className={clsx(
          'painted size-1.5 rounded-full',
          status === 'ACTIVE' ? 'bg-good' : 'bg-current',
          status === 'RUNNING' && 'animate-pulse',
        )}
        aria-hidden
      />
      {enumLabel(status)}
      {detail && <span className="font-normal">· {enumLabel(detail)}</span>}
    </span>
  )
}

/** "CRASH_LOOP" as "Crash loop". */
export function enumLabel(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).toLowerCase().replaceAll('_', ' ')
}
