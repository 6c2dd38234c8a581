// Apart from the buttons, because the first page has no menu.

import type { ComponentProps } from 'react'
import { type Command, useOffer } from '@/access/rights'
import { MenuItem } from '@/components/menu'

/** A command of the API in a menu. */
export function CommandItem({ command, ...rest }: ComponentProps<typeof MenuItem> & { command: Command }) {
  const { shown, disabled, title } = useOffer(command)
  return shown && <MenuItem {...rest} disabled={disabled || rest.disabled} title={title} />
}
