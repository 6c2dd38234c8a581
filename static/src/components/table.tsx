import type { ReactNode } from 'react'

/**
 * A short table, which scrolls sideways on a narrow screen: positioned, or the header that is only read out, the last
 * one, would widen the page.
 */
export function Table({ label, headers, children }: { label: string; headers: string[]; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label={label} className="relative overflow-x-auto">
      <table className="w-full min-w-2xl text-left text-sm">
        <thead className="border-b text-muted text-xs">
          <tr>
            {headers.map((name, index) => (
              <th key={name} scope="col" className="h-9 px-4 font-medium whitespace-nowrap">
                {index === headers.length - 1 ? <span className="sr-only">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y">{children}</tbody>
      </table>
    </section>
  )
}
