// Text from users and targets: never HTML.

import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import { IconButton } from './button'
import { useToast } from './toasts'

/** Output, an error, a payload. Long texts scroll inside. */
export function TextBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className="relative">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section tabIndex={0} aria-label={label} className="max-h-96 overflow-auto rounded-md border bg-canvas">
        <pre dir="auto" className="whitespace-pre-wrap p-3 pr-11 font-mono text-xs [overflow-wrap:anywhere]">
          {text}
        </pre>
      </section>
      <div className="absolute top-1 right-1">
        <CopyButton text={text} label={`Copy ${label.toLowerCase()}`} />
      </div>
    </div>
  )
}

/** Copies a text; reports a browser that allows this only with https. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false)
  const toast = useToast()
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), 1_500)
    } catch {
      toast({ kind: 'failed', message: 'This browser does not allow the page to copy (it may require https).' })
    }
  }
  return <IconButton icon={copied ? Check : Copy} label={label} onClick={() => void copy()} />
}
