import { StatusBadge } from '@/components/status'
import { Time } from '@/components/time'
import { duration } from '@/format/duration'
import { useNow } from '@/lib/clock'
import type { AttemptLine } from './attempts'

/** Every attempt: node, start, duration, outcome. */
export function AttemptTable({ attempts, nameOf }: { attempts: AttemptLine[]; nameOf: (nodeId: string) => string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label="Attempts" className="overflow-x-auto">
      <table className="w-full min-w-lg text-left text-sm">
        <thead className="border-b text-muted text-xs">
          <tr>
            {['Attempt', 'Node', 'Started', 'Took', 'Outcome'].map((name) => (
              <th key={name} scope="col" className="h-9 px-4 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y">
          {attempts.map((attempt) => (
            <tr key={attempt.attempt} className="align-top">
              <td className="px-4 py-2.5">{attempt.attempt}</td>
              <td className="px-4 py-2.5">{attempt.nodeId ? nameOf(attempt.nodeId) : '–'}</td>
              <td className="px-4 py-2.5">{attempt.startedAt ? <Time at={attempt.startedAt} as="short" /> : '–'}</td>
              <td className="px-4 py-2.5">
                <Took attempt={attempt} />
              </td>
              <td className="px-4 py-2.5">
                <StatusBadge status={attempt.outcome} detail={attempt.reason} />
                {attempt.error && (
                  <p className="mt-1 line-clamp-3 max-w-xl text-muted text-xs [overflow-wrap:anywhere]">
                    {attempt.error}
                  </p>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Took({ attempt }: { attempt: AttemptLine }) {
  const now = useNow()
  if (!attempt.startedAt) return '–'
  const end = attempt.endedAt ? Date.parse(attempt.endedAt) : now
  return duration(Math.max(0, end - Date.parse(attempt.startedAt)))
}
