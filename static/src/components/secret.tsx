import { TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { TextBlock } from './text-block'

/** A secret that is shown once: to copy, with a warning. */
export function Secret({ label, text, children }: { label: string; text: string; children: ReactNode }) {
  return (
    <div className="flex flex-col gap-3">
      <p className="flex items-start gap-2 rounded-md border border-warn/30 bg-warn/8 px-3 py-2 text-sm text-warn">
        <TriangleAlert size={16} aria-hidden className="mt-0.5 shrink-0" />
        <span>{children}</span>
      </p>
      <TextBlock label={label} text={text} />
    </div>
  )
}
