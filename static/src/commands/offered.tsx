// Commands as the role of the caller allows them: shown, disabled with the name of the missing role, or left out.

import type { LucideIcon } from 'lucide-react'
import type { ComponentProps, ReactNode } from 'react'
import { type Command, useOffer } from '@/access/rights'
import { Button, IconButton } from '@/components/button'

interface Commands {
  command: Command
}

/** A button for a command of the API. */
export function CommandButton({ command, ...rest }: ComponentProps<typeof Button> & Commands) {
  const { shown, disabled, title } = useOffer(command)
  return shown && <Button {...rest} disabled={disabled || rest.disabled} title={title ?? rest.title} />
}

/** An icon for a command of the API. */
export function CommandIcon({ command, ...rest }: ComponentProps<typeof IconButton> & Commands) {
  const { shown, disabled, title } = useOffer(command)
  return shown && <IconButton {...rest} {...(disabled && { disabled, title })} />
}

/** A link to the form of a command; a button that explains itself without the right. */
export function CommandLink(props: Commands & { icon: LucideIcon; label: string; children: ReactNode }) {
  const { shown, disabled, title } = useOffer(props.command)
  if (!shown) return null
  if (!disabled) return props.children
  return (
    <Button icon={props.icon} disabled title={title}>
      {props.label}
    </Button>
  )
}
