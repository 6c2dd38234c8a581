import { Ban, RotateCw, X } from 'lucide-react'
import type { ExecutionFilter } from '@/api/generated'
import { useExecutionCommands } from '@/commands/executions'
import { CommandButton } from '@/commands/offered'
import { IconButton } from '@/components/button'
import { count } from '@/format/number'
import { allThatMatch, NOTHING, type Selection, selectedCount } from '@/lib/selection'
import { cancelledBy, repeatedBy } from './selection'

interface BulkBarProps {
  selection: Selection
  /** The filter for "all that match"; null when only single executions can be selected. */
  filter: ExecutionFilter | null
  /** Number of matching executions, if the server counted them. */
  total: number | null
  onSelect: (selection: Selection) => void
}

/** The commands for the selection; for all matching executions without one. */
export function BulkBar({ selection, filter, total, onSelect }: BulkBarProps) {
  const commands = useExecutionCommands()
  const isNothing = selection === NOTHING
  const named = selection.all ? NOTHING : selection
  const meant = !filter ? named : isNothing ? allThatMatch : selection
  const number = selectedCount(meant, total)
  const finish = (done: boolean) => done && onSelect(NOTHING)
  return (
    <section
      aria-label="Selected executions"
      className="flex flex-wrap items-center gap-2 rounded-lg border border-accent/40 bg-accent/8 px-3 py-2 text-sm"
    >
      <span className="font-medium">
        {meant.all
          ? number === null
            ? 'All that match'
            : `All ${count(number)} that match`
          : `${count(number ?? 0)} selected`}
      </span>
      {!meant.all && filter && (
        <button type="button" onClick={() => onSelect(allThatMatch)} className="text-accent hover:underline">
          Select all that match
        </button>
      )}
      <span className="flex-1" />
      <CommandButton
        command="rerunExecutions"
        icon={RotateCw}
        busy={commands.busy}
        onClick={() => void commands.rerun(repeatedBy(meant, filter ?? {})).then(finish)}
      >
        Run again…
      </CommandButton>
      <CommandButton
        command="cancelExecutions"
        icon={Ban}
        busy={commands.busy}
        onClick={() => void commands.cancel(cancelledBy(meant, filter ?? {})).then(finish)}
      >
        Cancel…
      </CommandButton>
      {!isNothing && <IconButton icon={X} label="Select nothing" onClick={() => onSelect(NOTHING)} />}
    </section>
  )
}
