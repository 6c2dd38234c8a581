import type { Change } from '@/format/changes'

/** Longest value that is shown, in characters. */
const SHOWN = 200

/** The differences: each field with its value before and after. */
export function ChangeList({ changes }: { changes: Change[] }) {
  if (changes.length === 0) return null
  return (
    <dl className="mt-1 flex flex-col gap-0.5 text-xs">
      {changes.map(({ field, before, after }) => (
        <div key={field} className="[overflow-wrap:anywhere]">
          <dt className="inline text-muted">{field}: </dt>
          <dd className="inline">
            <del className="text-bad">{cut(before)}</del> <ins className="text-good no-underline">{cut(after)}</ins>
          </dd>
        </div>
      ))}
    </dl>
  )
}

const cut = (text: string) => (text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text)
