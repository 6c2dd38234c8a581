import type { ExecutionRowFragment } from '@/api/generated'
import { Empty } from '@/components/states'
import { enumLabel } from '@/components/status'
import { useStillRows } from '@/components/still'
import { DurationCell, FireTime, LatenessCell, OutcomeCell } from '@/pages/executions/columns'

const HEADERS = ['Status', 'Fire time', 'Late', 'Took', 'Attempt', 'Node', 'Kind']

const keyOf = (execution: ExecutionRowFragment) => execution.id

/** The newest executions of one job. */
export function ExecutionTable({ executions }: { executions: ExecutionRowFragment[] }) {
  const [rows, pointing] = useStillRows(executions, keyOf)
  if (rows.length === 0) return <Empty title="No executions yet" />
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label="Newest executions" className="overflow-x-auto">
      <table className="w-full min-w-2xl text-left text-sm">
        <thead className="border-b text-muted text-xs">
          <tr>
            {HEADERS.map((name) => (
              <th key={name} scope="col" className="h-9 px-4 font-medium whitespace-nowrap">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y" {...pointing}>
          {rows.map((execution) => (
            <tr key={execution.id} className="hover:bg-hover/60">
              <td className="h-10 px-4">
                <OutcomeCell execution={execution} />
              </td>
              <td className="px-4 whitespace-nowrap">
                <FireTime execution={execution} />
              </td>
              <td className="px-4 whitespace-nowrap">
                <LatenessCell execution={execution} />
              </td>
              <td className="px-4 whitespace-nowrap">
                <DurationCell execution={execution} />
              </td>
              <td className="px-4">{execution.attempt || '–'}</td>
              <td className="px-4 text-muted">{execution.nodeName ?? '–'}</td>
              <td className="px-4 text-muted">{enumLabel(execution.kind)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
